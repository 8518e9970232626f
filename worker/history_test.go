package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"colorstream/influxdb/influxtest"
)

// importer makes a rig whose programs may read the bucket too.
func importer(t testing.TB) *rig {
	t.Helper()
	r := newRig(t, nil)
	r.env["INFLUX_READ_TOKEN"] = r.db.DashboardToken
	return r
}

// imports runs an import to its end and returns its exit status and what it printed,
// with single spaces.
func (r *rig) imports(env map[string]string, args ...string) (status int, output string) {
	r.t.Helper()
	p := r.start("worker", env, append([]string{"import"}, args...)...)
	err := p.wait(2 * time.Minute)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else if err != nil {
		r.t.Fatal(err)
	}
	return status, spaces.ReplaceAllString(p.output(), " ")
}

var spaces = regexp.MustCompile("  +")

// expectImport wants an exit status and words in what an import prints.
func (r *rig) expectImport(env map[string]string, status int, words string, args ...string) {
	r.t.Helper()
	got, output := r.imports(env, args...)
	if got != status || !strings.Contains(output, words) {
		r.t.Errorf("import %q: status %d, want %d and %q:\n%s", args, got, status, words, output)
	}
}

func (r *rig) wantPoints(want map[pointKey]point) {
	r.t.Helper()
	for key, p := range want {
		p.Complete = true
		want[key] = p
	}
	if diff := same(want, r.points(), true); diff != "" {
		r.t.Errorf("-want +bucket\n%.2000s", diff)
	}
}

func (r *rig) file(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

const sourceFiles = "../generator/source/testdata/files/"

// TestImportFilesAsTheyAre imports files as people have them; what must come of each was computed
// by a naive program.
func TestImportFilesAsTheyAre(t *testing.T) {
	t.Parallel()
	r := importer(t)
	settings := map[string]map[string]string{
		"f10-no-colour.csv": {"GENERATOR_INPUT_COLOR": "=tank", "GENERATOR_INPUT_VALUE": "level"},
		"f10-no-header.csv": {
			"GENERATOR_INPUT_COLOR": "1", "GENERATOR_INPUT_VALUE": "2",
			"GENERATOR_INPUT_TIME": "3",
		},
		"f10-berlin.csv":     {"GENERATOR_INPUT_TIME_ZONE": "Europe/Berlin"},
		"f10-day-first.csv":  {"GENERATOR_INPUT_TIME_FORMAT": "day-first"},
		"f10-day-only.csv":   {"GENERATOR_INPUT_TIME_FORMAT": "day-first"},
		"f10-dotted-day.csv": {"GENERATOR_INPUT_TIME_FORMAT": "day-first"},
		"f10-nested.jsonl": {
			"GENERATOR_INPUT_COLOR": "tags.color",
			"GENERATOR_INPUT_VALUE": "data.value",
		},
	}
	text, err := os.ReadFile(sourceFiles + "expected.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[pointKey]point)
	files := make(map[string]bool)
	for _, row := range rows[1:] {
		at, err := time.Parse(time.RFC3339, row[2])
		if err != nil {
			t.Fatal(err)
		}
		var n [5]float64
		for i := range n {
			if n[i], err = strconv.ParseFloat(row[3+i], 64); err != nil {
				t.Fatal(err)
			}
		}
		files[row[0]] = true
		want[pointKey{at.UnixNano(), row[1]}] = point{
			Mean: n[0], Median: n[1], Min: n[2], Max: n[3], Count: int64(n[4]), Sum: n[0] * n[4],
		}
	}
	for file := range files {
		r.expectImport(settings[file], 0, "points written", sourceFiles+file)
	}
	r.wantPoints(want)
}

// randomRows are rows of so much time in any order, as a CSV file and as points of windows of 5 s.
func randomRows(n int, span time.Duration) (file string, want map[pointKey]point) {
	random := rand.New(rand.NewPCG(16, 3))
	values := make(map[pointKey][]float64)
	var b strings.Builder
	b.WriteString("color,value,ts\n")
	start := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for range n {
		color := []string{"red", "blue, light", "ночь=1"}[random.IntN(3)]
		value := float64(random.IntN(2_000_000)) / 64
		ms := start + random.Int64N(span.Milliseconds())
		fmt.Fprintf(&b, "%q,%g,%d\n", color, value, ms)
		key := pointKey{(ms - ms%5000) * 1e6, color}
		values[key] = append(values[key], value)
	}
	return b.String(), naive(values)
}

// TestImportSortsOnDisk imports rows in any order, with memory for few of them.
func TestImportSortsOnDisk(t *testing.T) {
	t.Parallel()
	r := importer(t)
	r.env["WORKER_STATISTICS"] = moreStatistics
	text, want := randomRows(200_000, 12*time.Hour)
	temporary := t.TempDir()
	r.expectImport(map[string]string{"IMPORT_ROWS": "1000", "TMPDIR": temporary}, 0,
		"accepted 200000\n", r.file("random.csv", text))
	r.wantPoints(want)
	if left, err := filepath.Glob(temporary + "/*"); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// TestImportBrokenOff kills an import, interrupts the next one, and starts it a third time.
func TestImportBrokenOff(t *testing.T) {
	t.Parallel()
	r := importer(t)
	text, want := randomRows(200_000, 7*24*time.Hour)
	file := r.file("random.csv", text)
	// stored is the number of rows in the bucket.
	stored := func() (n int64) {
		for _, row := range r.db.Query(t, `from(bucket: "`+r.db.Bucket+`") |> range(start: 2024-01-01T00:00:00Z)
			|> filter(fn: (r) => r._field == "count") |> sum() |> group() |> sum()`) {
			n, _ = row["_value"].(int64)
		}
		return n
	}
	begin := func() *program {
		before := stored()
		p := r.start("worker", nil, "import", file)
		r.eventually("points come", time.Minute, func() bool { return stored() > before })
		return p
	}
	begin().kill()
	if n := stored(); n == 200_000 {
		t.Fatal("the first was faster than the test")
	}
	p := begin()
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	if err := p.wait(20 * time.Second); err == nil || !strings.Contains(p.output(), "started again") {
		t.Errorf("interrupted: %v\n%s", err, p.tail())
	}
	r.expectImport(nil, 0, "accepted 200000\n", file)
	r.wantPoints(want)
}

// TestImportOverwrites only if it is told to, and says what.
func TestImportOverwrites(t *testing.T) {
	t.Parallel()
	r := importer(t)
	gold := func(seconds string, values ...float64) map[pointKey][]float64 {
		at, err := time.Parse("2006-01-02T15:04:05Z", "2025-04-01T00:00:"+seconds+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return map[pointKey][]float64{{at.UnixNano(), "gold"}: values}
	}
	const head = "color,value,ts\n"
	first := r.file("first.csv", head+"gold,1,2025-04-01T00:00:00Z\ngold,3000,2025-04-01T00:00:01Z\n")
	corrected := r.file("corrected.csv",
		head+"gold,1,2025-04-01T00:00:00Z\ngold,3,2025-04-01T00:00:01Z\n")
	other := r.file("other.csv", head+"silver,1,2025-04-01T00:00:00Z\ngold,9,2025-04-01T00:00:05Z\n")
	r.expectImport(nil, 0, "points written 1", first)
	r.expectImport(nil, 0, "overwritten 0", first) // the same points
	few := map[string]string{"WORKER_STATISTICS": "mean"}
	r.expectImport(few, 0, "overwritten 0", first) // and of fewer statistics
	r.expectImport(few, 1, "gold 2025-04-01T00:00:00Z: mean is 1500.5 and would be 2\n", corrected)
	r.expectImport(nil, 1,
		"1 points are in the bucket already, with other values:\n gold 2025-04-01T00:00:00Z: ", corrected)
	r.wantPoints(naive(gold("00", 1, 3000)))
	r.expectImport(map[string]string{"INFLUX_READ_TOKEN": ""}, 2, "INFLUX_READ_TOKEN_FILE", corrected)
	r.wantPoints(naive(gold("00", 1, 3000)))
	r.expectImport(nil, 0, "overwritten 1 had other values before", "--overwrite", corrected)
	r.wantPoints(naive(gold("00", 1, 3)))
	r.expectImport(map[string]string{"INFLUX_READ_TOKEN": ""}, 0, "overwritten without a look", first,
		"--overwrite")

	want := gold("00", 1, 3000, 1, 3)
	for key, values := range gold("05", 9) {
		want[key] = values
		want[pointKey{key.Start - 5e9, "silver"}] = []float64{1}
	}
	r.expectImport(nil, 0, "accepted 6", "--overwrite", first, corrected, other)
	r.wantPoints(naive(want))
}

// TestImportInterleaved imports windows between those that are there.
func TestImportInterleaved(t *testing.T) {
	t.Parallel()
	r := importer(t)
	values := make(map[pointKey][]float64)
	for part := range 2 {
		text := []byte("color,value,ts\n")
		for i := range 6000 {
			s := 1_700_000_000 + 10*i + 5*part
			text = fmt.Appendf(text, "red,%d,%d\n", i, s)
			values[pointKey{int64(s) * 1e9, "red"}] = []float64{float64(i)}
		}
		r.expectImport(nil, 0, "points written 6000", r.file("part.csv", string(text)))
	}
	r.wantPoints(naive(values))
}

// TestImportStatuses: what is wrong is said, with the exit status that scripts go by.
func TestImportStatuses(t *testing.T) {
	t.Parallel()
	r := importer(t)
	const head = "color,value,ts\n"
	good := r.file("good.csv", head+"red,1,2025-04-01T00:00:00Z\n")
	mixed := r.file("mixed.csv",
		head+"red,1,2025-04-01T00:00:00Z\nred,x,2025-04-01T00:00:00Z\nred,1,\nred\n")
	r.expectImport(nil, 3, "rejected 3 ", mixed)
	r.expectImport(nil, 3,
		"rejected line 3: value \"x\" is not a number\nrejected line 4: there is no time\nrejected line 5: has 1 cells instead of 3\n", mixed)
	r.expectImport(nil, 3, "rejected line 3: value \"x\" is not a number ("+mixed+")\n", "--overwrite",
		good, mixed)
	r.expectImport(map[string]string{"WORKER_MAX_COLORS": "1"}, 3, "too_many_colors 1\n",
		r.file("colors.csv", head+"red,1,2025-04-02T00:00:00Z\nblue,1,2025-04-02T00:00:01Z\n"))
	r.expectImport(nil, 1, "nothing was imported: all 1 rows were rejected, the first: line 2: ",
		r.file("bad.csv", head+"red,x,2025-04-01\n"))
	r.expectImport(nil, 1, "nothing was imported: there are no rows", r.file("none.csv", head))
	r.expectImport(nil, 1, `no column "ts" for the time: set GENERATOR_INPUT_TIME to one of ["color" "value" "when"]`,
		r.file("when.csv", "color,value,when\nred,1,2025-04-01\n"))
	r.expectImport(nil, 1, "no such file", "absent.csv")
	r.expectImport(map[string]string{"INFLUX_TOKEN": r.db.DashboardToken}, 1, "may not write", good)
	r.expectImport(map[string]string{"INFLUX_READ_TOKEN": r.db.WorkerToken}, 1, "INFLUX_READ_TOKEN",
		good)
	r.expectImport(map[string]string{"INFLUX_TOKEN": "", "INFLUX_TOKEN_DIR": t.TempDir()}, 2,
		"INFLUX_TOKEN[_FILE]: is required", good)
	// it may read
	r.expectImport(map[string]string{"INFLUX_TOKEN": r.db.AdminToken, "INFLUX_READ_TOKEN": ""}, 1,
		"with other values", good)
	for list, problem := range map[string]string{
		"mean,p101": `"p101" is none of mean,`, "average": `"average"`, "p95,,max": "has an empty entry",
		"max,p95,max": "names max twice", "sum": "sum is always written",
	} {
		r.expectImport(map[string]string{"WORKER_STATISTICS": list}, 2,
			fmt.Sprintf("WORKER_STATISTICS=%q: %s", list, problem), good)
	}
	r.expectImport(map[string]string{"WORKER_WINDOW": "1ms"}, 2, "WORKER_WINDOW", good)
	r.expectImport(nil, 2, "--overwrite", "--force", good)
	r.expectImport(nil, 2, "needs a file")
	r.expectImport(nil, 0, "GENERATOR_INPUT_TIME_FORMAT", "--help")
	// The tokens that the stack has written suffice.
	r.expectImport(map[string]string{
		"INFLUX_TOKEN": "", "INFLUX_READ_TOKEN": "",
		"INFLUX_TOKEN_DIR": r.db.TokenDir,
	}, 0, "accepted", "--overwrite", good)
}

// TestImportTooOld: the bucket does not keep points of the file's times.
func TestImportTooOld(t *testing.T) {
	t.Parallel()
	db := influxtest.Start(t)
	r := newRig(t, db)
	r.env["INFLUX_READ_TOKEN"] = db.DashboardToken
	admin(t, db, http.MethodPatch, "/api/v2/buckets/"+describe(t, db).ID,
		`{"retentionRules":[{"type":"expire","everySeconds":86400,"shardGroupDurationSeconds":3600}]}`, nil)
	now := time.Now().Truncate(5 * time.Second)
	file := r.file("old.csv", fmt.Sprintf("color,value,ts\nred,1,%d\nred,2,%d\n", now.Unix(),
		now.Add(-48*time.Hour).Unix()))
	r.expectImport(nil, 3, "points rejected 1", file)
	r.wantPoints(naive(map[pointKey][]float64{{now.UnixNano(), "red"}: {1}}))
}

// TestImportReadme runs the commands of the README's "Your own data", on files that they fit.
func TestImportReadme(t *testing.T) {
	t.Parallel()
	r := importer(t)
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Your own data\n")
	section, _, _ = strings.Cut(section, "\n## ")
	files := map[string]string{
		"measurements.csv": r.file("measurements.csv", "color,value,ts\nred,1,2025-04-01 10:00\n"),
		"log.csv":          r.file("log.csv", "when,sensor,temperature\n2025-04-01 10:00,oven,1\n"),
	}
	commands := 0
	for line := range strings.Lines(section) {
		command, ok := strings.CutPrefix(line, "    ")
		if !ok {
			continue
		}
		commands++
		for name, path := range files {
			command = strings.ReplaceAll(command, "FILE="+name, "FILE="+path)
		}
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = ".."
		cmd.Env = os.Environ()
		for name, value := range r.env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		if out, err := cmd.CombinedOutput(); err != nil ||
			!strings.Contains(string(out), "see them at http://localhost:3000/d/colors?from=17435") {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if points := r.points(); commands != 2 || len(points) != 2 {
		t.Errorf("%d commands make %d points", commands, len(points))
	}
}
