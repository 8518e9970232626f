package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// importer makes a rig whose programs may read the bucket too.
func importer(t testing.TB) *rig {
	t.Helper()
	r := newRig(t, nil)
	r.set("INFLUX_READ_TOKEN=" + r.db.DashboardToken)
	return r
}

var spaces = regexp.MustCompile("  +")

// expectImport wants an exit status and words in what an import prints, with single spaces.
func (r *rig) expectImport(status int, words string, args ...string) {
	r.t.Helper()
	p := r.start("worker", append([]string{"import"}, args...)...)
	got := p.end()
	output := spaces.ReplaceAllString(p.output(), " ")
	if got != status || !strings.Contains(output, words) {
		r.t.Errorf("import %q: status %d, want %d and %q:\n%s", args, got, status, words, output)
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
	settings := map[string][]string{
		"f10-no-colour.csv": {"GENERATOR_INPUT_COLOR==tank", "GENERATOR_INPUT_VALUE=level"},
		"f10-no-header.csv": {
			"GENERATOR_INPUT_COLOR=1", "GENERATOR_INPUT_VALUE=2", "GENERATOR_INPUT_TIME=3",
		},
		"f10-berlin.csv":     {"GENERATOR_INPUT_TIME_ZONE=Europe/Berlin"},
		"f10-day-first.csv":  {"GENERATOR_INPUT_TIME_FORMAT=day-first"},
		"f10-day-only.csv":   {"GENERATOR_INPUT_TIME_FORMAT=day-first"},
		"f10-dotted-day.csv": {"GENERATOR_INPUT_TIME_FORMAT=day-first"},
		"f10-nested.jsonl":   {"GENERATOR_INPUT_COLOR=tags.color", "GENERATOR_INPUT_VALUE=data.value"},
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
		want[pointKey{at.UnixNano(), row[1]}] = point{map[string]float64{
			"mean": n[0], "median": n[1], "min": n[2], "max": n[3], "sum": n[0] * n[4],
		}, int64(n[4]), true}
	}
	for file := range files {
		r.expectImport(0, "points written", append(settings[file], sourceFiles+file)...)
	}
	r.want(want)
}

// randomRows are rows of so much time in any order, as a CSV file and as values of windows of 5 s.
func randomRows(n int, span time.Duration) (file string, values map[pointKey][]float64) {
	random := rand.New(rand.NewPCG(16, 3))
	values = make(map[pointKey][]float64)
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
	return b.String(), values
}

// TestImportSortsOnDisk imports rows in any order, with memory for few of them.
func TestImportSortsOnDisk(t *testing.T) {
	t.Parallel()
	r := importer(t)
	r.moreStatistics()
	const rows = 20_000
	text, values := randomRows(rows, 12*time.Hour)
	temporary := t.TempDir()
	r.expectImport(0, fmt.Sprintf("accepted %d\n", rows), "IMPORT_ROWS=500", "TMPDIR="+temporary,
		r.file("random.csv", text))
	r.want(r.naive(values))
	if left, err := filepath.Glob(temporary + "/*"); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// TestImportBrokenOff kills an import, interrupts the next one, and starts it a third time.
func TestImportBrokenOff(t *testing.T) {
	t.Parallel()
	r := importer(t)
	const rows = 20_000
	text, values := randomRows(rows, 7*24*time.Hour)
	file := r.file("random.csv", text)
	target, err := url.Parse(r.db.URL)
	if err != nil {
		t.Fatal(err)
	}
	reached := make(chan bool)
	var writes atomic.Int32
	pass := httputil.NewSingleHostReverseProxy(target)
	hanging := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/api/v2/write" && writes.Add(1)%4 == 0 {
			_, _ = io.Copy(io.Discard, q.Body) // else its end would not be seen
			reached <- true
			<-q.Context().Done()
			return
		}
		pass.ServeHTTP(w, q)
	}))
	defer hanging.Close()
	begin := func() *program {
		p := r.start("worker", "INFLUX_URL="+hanging.URL, "import", file)
		<-reached
		return p
	}
	begin().kill()
	if n := r.stored(); n == 0 || n == rows {
		t.Fatalf("the first has brought %d of %d", n, rows)
	}
	p := begin()
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	if status := p.end(); status == 0 || !strings.Contains(p.output(), "started again") {
		t.Errorf("interrupted: status %d\n%s", status, p.tail())
	}
	r.expectImport(0, fmt.Sprintf("accepted %d\n", rows), file)
	r.want(r.naive(values))
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
	r.expectImport(0, "points written 1", first)
	r.expectImport(0, "overwritten 0", first) // the same points
	const few = "WORKER_STATISTICS=mean"
	r.expectImport(0, "overwritten 0", few, first) // and of fewer statistics
	r.expectImport(1, "gold 2025-04-01T00:00:00Z: mean is 1500.5 and would be 2\n", few, corrected)
	r.expectImport(1,
		"1 points are in the bucket already, with other values:\n gold 2025-04-01T00:00:00Z: ", corrected)
	r.want(r.naive(gold("00", 1, 3000)))
	r.expectImport(2, "INFLUX_READ_TOKEN_FILE", "INFLUX_READ_TOKEN=", corrected)
	r.want(r.naive(gold("00", 1, 3000)))
	r.expectImport(0, "overwritten 1 had other values before", "--overwrite", corrected)
	r.want(r.naive(gold("00", 1, 3)))
	r.expectImport(0, "overwritten without a look", "INFLUX_READ_TOKEN=", first, "--overwrite")

	want := gold("00", 1, 3000, 1, 3)
	for key, values := range gold("05", 9) {
		want[key] = values
		want[pointKey{key.Start - 5e9, "silver"}] = []float64{1}
	}
	r.expectImport(0, "accepted 6", "--overwrite", first, corrected, other)
	r.want(r.naive(want))
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
		r.expectImport(0, "points written 6000", r.file("part.csv", string(text)))
	}
	r.want(r.naive(values))
}

// TestImportStatuses: what is wrong is said, with the exit status that scripts go by.
func TestImportStatuses(t *testing.T) {
	t.Parallel()
	r := importer(t)
	const head = "color,value,ts\n"
	good := r.file("good.csv", head+"red,1,2025-04-01T00:00:00Z\n")
	mixed := r.file("mixed.csv",
		head+"red,1,2025-04-01T00:00:00Z\nred,x,2025-04-01T00:00:00Z\nred,1,\nred\n")
	r.expectImport(3, "rejected 3 ", mixed)
	r.expectImport(3,
		"rejected line 3: value \"x\" is not a number\nrejected line 4: there is no time\nrejected line 5: has 1 cells instead of 3\n", mixed)
	r.expectImport(3, "rejected line 3: value \"x\" is not a number ("+mixed+")\n", "--overwrite",
		good, mixed)
	r.expectImport(3, "too_many_colors 1\n", "WORKER_MAX_COLORS=1",
		r.file("colors.csv", head+"red,1,2025-04-02T00:00:00Z\nblue,1,2025-04-02T00:00:01Z\n"))
	r.expectImport(1, "nothing was imported: all 1 rows were rejected, the first: line 2: ",
		r.file("bad.csv", head+"red,x,2025-04-01\n"))
	r.expectImport(1, "nothing was imported: there are no rows", r.file("none.csv", head))
	r.expectImport(1, `no column "ts" for the time: set GENERATOR_INPUT_TIME to one of ["color" "value" "when"]`,
		r.file("when.csv", "color,value,when\nred,1,2025-04-01\n"))
	r.expectImport(1, "no such file", "absent.csv")
	r.expectImport(1, "may not write", "INFLUX_TOKEN="+r.db.DashboardToken, good)
	r.expectImport(1, "INFLUX_READ_TOKEN", "INFLUX_READ_TOKEN="+r.db.WorkerToken, good)
	r.expectImport(2, "INFLUX_TOKEN[_FILE]: is required", "INFLUX_TOKEN=",
		"INFLUX_TOKEN_DIR="+t.TempDir(),
		good)
	// it may read
	r.expectImport(1, "with other values", "INFLUX_TOKEN="+r.db.AdminToken, "INFLUX_READ_TOKEN=", good)
	for list, problem := range map[string]string{
		"mean,p101": `"p101" is none of mean,`, "average": `"average"`, "p95,,max": "has an empty entry",
		"max,p95,max": "names max twice", "sum": "sum is always written",
	} {
		r.expectImport(2, fmt.Sprintf("WORKER_STATISTICS=%q: %s", list, problem),
			"WORKER_STATISTICS="+list, good)
	}
	r.expectImport(2, "WORKER_WINDOW", "WORKER_WINDOW=1ms", good)
	r.expectImport(2, "--overwrite", "--force", good)
	r.expectImport(2, "needs a file")
	r.expectImport(0, "GENERATOR_INPUT_TIME_FORMAT", "--help")
	// The tokens that the stack has written suffice.
	r.expectImport(0, "accepted", "INFLUX_TOKEN=", "INFLUX_READ_TOKEN=",
		"INFLUX_TOKEN_DIR="+r.db.TokenDir, "--overwrite", good)
}

// TestImportTooOld: the bucket does not keep points of the file's times.
func TestImportTooOld(t *testing.T) {
	t.Parallel()
	r := importer(t)
	admin(t, r.db, http.MethodPatch, "/api/v2/buckets/"+describe(t, r.db).ID,
		`{"retentionRules":[{"type":"expire","everySeconds":86400,"shardGroupDurationSeconds":3600}]}`,
		nil)
	now := time.Now().Truncate(5 * time.Second)
	file := r.file("old.csv", fmt.Sprintf("color,value,ts\nred,1,%d\nred,2,%d\n", now.Unix(),
		now.Add(-48*time.Hour).Unix()))
	r.expectImport(3, "points rejected 1", file)
	r.want(r.naive(map[pointKey][]float64{{now.UnixNano(), "red"}: {1}}))
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
		cmd.Env = append(os.Environ(), r.env...)
		if out, err := cmd.CombinedOutput(); err != nil ||
			!strings.Contains(string(out), "see them at http://localhost:3000/d/colors?from=17435") {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if points := r.points(); commands != 2 || len(points) != 2 {
		t.Errorf("%d commands make %d points", commands, len(points))
	}
}
