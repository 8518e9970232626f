package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"colorstream/generator/certs/certstest"
	"colorstream/generator/service"
	"colorstream/influxdb/access"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

var names = []string{"worker", "dashboard", "grafana"}

// runs calls the program with a server's address, a folder of the test's own
// and further variables, and returns what it printed.
func runs(t *testing.T, db *influxtest.Server, dir string, more map[string]string) (string, error) {
	t.Helper()
	environ := map[string]string{"INFLUX_URL": db.URL, "INFLUX_TOKEN_DIR": dir, "INFLUX_TIMEOUT": "20"}
	maps.Copy(environ, more)
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), service.Process{
		Environ: environ, Stdout: &stdout,
		Stderr: io.MultiWriter(&stderr, t.Output()),
	})
	return stdout.String() + stderr.String(), err
}

func mustRun(t *testing.T, db *influxtest.Server, dir string, more map[string]string) string {
	t.Helper()
	out, err := runs(t, db, dir, more)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tokens(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range names {
		found[name] = readFile(t, dir, name)
	}
	return found
}

func readFile(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// get asks the API as the administrator of a server that influxtest set up.
func get(t *testing.T, db *influxtest.Server, method, path, body string, answer any) {
	t.Helper()
	client := access.Client{URL: db.URL, Token: db.AdminToken}
	text, err := client.Call(t.Context(), method, path, "", []byte(body))
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}

// ownOrg gives the test an organisation on the shared server.
func ownOrg(t *testing.T) (*influxtest.Server, map[string]string) {
	t.Helper()
	db := *influxtest.Shared(t)
	db.Org = t.Name()
	return &db, map[string]string{"INFLUX_ORG": db.Org}
}

// checkPowers holds the tokens in dir against what each may do, and must not.
func checkPowers(t *testing.T, db *influxtest.Server, dir string) {
	t.Helper()
	for name, token := range tokens(t, dir) {
		wantWrite := name == "worker"
		if err := db.TryWrite(t, token, series.Measurement+" mean=1"); (err == nil) != wantWrite {
			t.Errorf("%s writes: %v, want %v", name, err, wantWrite)
		}
		flux := `from(bucket: "` + db.Bucket + `") |> range(start: -1h)`
		if _, err := db.TryQuery(t, token, flux); (err == nil) == wantWrite {
			t.Errorf("%s reads: %v, want %v", name, err, !wantWrite)
		}
		if _, err := db.TryQuery(t, token, `from(bucket: "_monitoring") |> range(start: -1h)`); err == nil {
			t.Errorf("%s reads another bucket", name)
		}
		other := *db
		other.Bucket = "_monitoring"
		if err := other.TryWrite(t, token, "m f=1"); err == nil {
			t.Errorf("%s writes to another bucket", name)
		}
	}
}

func TestNewServer(t *testing.T) {
	t.Parallel()
	db := influxtest.StartEmpty(t)
	dir := filepath.Join(t.TempDir(), "made", "by", "it")
	outputs := make([]string, 4)
	var group sync.WaitGroup
	for i := range outputs { // all at once
		group.Go(func() {
			var err error
			outputs[i], err = runs(t, db, dir, nil)
			wrong(t, err != nil, "%v", err)
		})
	}
	group.Wait()
	out := strings.Join(outputs, "")
	checkPowers(t, db, dir)
	first := tokens(t, dir)
	for _, secret := range append(slices.Collect(maps.Values(first)), "adminpassword") {
		wrong(t, strings.Contains(out, secret), "a secret is printed: %s", out)
	}
	wantMode(t, dir, fs.ModeDir|0o700)
	for _, name := range names {
		wantMode(t, filepath.Join(dir, name), 0o600)
	}

	again := mustRun(t, db, dir, nil)
	equal(t, "the second run changes tokens", first, tokens(t, dir))
	wrong(t, strings.Contains(again, "token made") || strings.Contains(again, "changed"),
		"the second run changes something:\n%s", again)
	db.Restart(t)
	mustRun(t, db, dir, nil)
	equal(t, "a restart changes tokens", first, tokens(t, dir))
	checkPowers(t, db, dir)
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	wrong(t, info.Mode() != want, "%s has mode %v, want %v", path, info.Mode(), want)
}

func TestReplacesWrongTokens(t *testing.T) {
	t.Parallel()
	type tamper = func(t *testing.T, db *influxtest.Server, dir string) error
	write := func(text func(db *influxtest.Server, dir string) string) tamper {
		return func(_ *testing.T, db *influxtest.Server, dir string) error {
			return os.WriteFile(filepath.Join(dir, "dashboard"), []byte(text(db, dir)), 0o600)
		}
	}
	for name, tamper := range map[string]tamper{
		"missing": func(_ *testing.T, _ *influxtest.Server, dir string) error {
			return os.Remove(filepath.Join(dir, "dashboard"))
		},
		"empty":   write(func(*influxtest.Server, string) string { return "\n" }),
		"garbage": write(func(*influxtest.Server, string) string { return "no\x00token\nat all" }),
		"the worker's": write(func(_ *influxtest.Server, dir string) string {
			return tokens(t, dir)["worker"]
		}),
		"of fewer buckets": func(_ *testing.T, _ *influxtest.Server, dir string) error {
			return os.WriteFile(filepath.Join(dir, "grafana"), []byte(tokens(t, dir)["dashboard"]), 0o600)
		},
		"the administrator's": write(func(db *influxtest.Server, _ string) string {
			return db.AdminToken
		}),
		"of another bucket": write(func(db *influxtest.Server, _ string) string {
			return db.DashboardToken
		}),
		"revoked": func(t *testing.T, db *influxtest.Server, dir string) error {
			for _, a := range authorizations(t, db) {
				if strings.Contains(a.Description, " dashboard ") {
					get(t, db, http.MethodDelete, "/api/v2/authorizations/"+a.ID, "", nil)
				}
			}
			return nil
		},
		"bucket made anew": func(t *testing.T, db *influxtest.Server, _ string) error {
			get(t, db, http.MethodDelete, "/api/v2/buckets/"+bucketOf(t, db).ID, "", nil)
			return nil
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			db, org := ownOrg(t)
			dir := t.TempDir()
			mustRun(t, db, dir, org)
			before := tokens(t, dir)
			if err := tamper(t, db, dir); err != nil {
				t.Fatal(err)
			}
			mustRun(t, db, dir, org)
			checkPowers(t, db, dir)
			after := tokens(t, dir)
			for _, file := range names {
				isWrong := file == "dashboard"
				if name == "of fewer buckets" {
					isWrong = file == "grafana"
				}
				wrong(t, name != "bucket made anew" && (after[file] != before[file]) != isWrong,
					"%s's token is replaced: %v", file, !isWrong)
			}
			var left []string
			for _, a := range authorizations(t, db) {
				left = append(left, a.Description)
			}
			slices.Sort(left)
			mark := "colorstream " + readFile(t, dir, ".stack") + " "
			want := []string{
				mark + "dashboard color_data", mark + "grafana color_data", mark + "worker color_data",
			}
			equal(t, "tokens in InfluxDB", want, left)
		})
	}
}

type authorization struct{ ID, Description string }

func authorizations(t *testing.T, db *influxtest.Server) []authorization {
	t.Helper()
	var found struct{ Authorizations []authorization }
	get(t, db, http.MethodGet, "/api/v2/authorizations?org="+db.Org, "", &found)
	return found.Authorizations
}

type bucketState struct {
	ID             string
	RetentionRules []struct{ EverySeconds int64 }
}

func bucketOf(t *testing.T, db *influxtest.Server) bucketState {
	t.Helper()
	var found struct{ Buckets []bucketState }
	get(t, db, http.MethodGet, "/api/v2/buckets?org="+db.Org+"&name="+db.Bucket, "", &found)
	if len(found.Buckets) != 1 {
		t.Fatalf("buckets: %v", found)
	}
	return found.Buckets[0]
}

func TestRetentionChanges(t *testing.T) {
	t.Parallel()
	db, environ := ownOrg(t)
	dir := t.TempDir()
	previous := ""
	for _, c := range []struct {
		text    string
		seconds int64
	}{
		{"30d", 2592000},
		{"36h", 129600},
		{"0", 0},
		{"1h", 3600},
		{"90m", 5400},
		{"52w", 31449600},
		{"7200", 7200},
	} {
		environ["INFLUX_RETENTION"] = c.text
		out := mustRun(t, db, dir, environ)
		got := int64(0)
		for _, rule := range bucketOf(t, db).RetentionRules {
			got = rule.EverySeconds
		}
		wrong(t, got != c.seconds, "after %s: %d s, want %d", c.text, got, c.seconds)
		wrong(t, previous != "" && !strings.Contains(out, "retention changed"),
			"a change from %s to %s is not logged:\n%s", previous, c.text, out)
		previous = c.text
	}
}

func TestGroupsMayReadTheirToken(t *testing.T) {
	t.Parallel()
	db, environ := ownOrg(t)
	dir := filepath.Join(t.TempDir(), "tokens")
	mustRun(t, db, dir, environ)
	before := tokens(t, dir)

	environ["INFLUX_TOKEN_GROUPS"] = fmt.Sprint("grafana:", os.Getgid())
	mustRun(t, db, dir, environ)
	wantMode(t, filepath.Join(dir, "worker"), 0o600)
	wantMode(t, filepath.Join(dir, "grafana"), 0o640)
	equal(t, "a new mode changes tokens", before, tokens(t, dir))

	fresh := filepath.Join(t.TempDir(), "tokens")
	mustRun(t, db, fresh, environ)
	wantMode(t, fresh, fs.ModeDir|0o711)
	wantMode(t, filepath.Join(fresh, "grafana"), 0o640)
}

func TestWaitsForTheServer(t *testing.T) {
	t.Parallel()
	db := influxtest.Start(t)
	db.Stop(t)
	lines := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- run(t.Context(), service.Process{
			Environ: map[string]string{"INFLUX_URL": db.URL, "INFLUX_TOKEN_DIR": t.TempDir()},
			Stdout:  io.Discard, Stderr: writerFunc(func(p []byte) { lines <- string(p) }),
		})
	}()
	if line := <-lines; !strings.Contains(line, "waiting for InfluxDB") ||
		!strings.Contains(line, db.URL) {
		t.Errorf("it says %q", line)
	}
	db.Restart(t)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	close(lines)
	for line := range lines {
		wrong(t, strings.Contains(line, "waiting"), "it says so twice: %q", line)
	}
}

// InfluxDB's certificate is of a private authority, and it asks for the program's. A wrong one is
// no reason to wait.
func TestTLS(t *testing.T) {
	t.Parallel()
	db, environ := ownOrg(t)
	ours, theirs := certstest.New(t), certstest.New(t)
	files := ours.Issue(t, t.TempDir())
	maps.Copy(environ, map[string]string{
		"INFLUX_URL": ours.ServeFor(t, db.URL).URL, "INFLUX_CA_FILE": files.CA,
		"INFLUX_CERT_FILE": files.Cert, "INFLUX_KEY_FILE": files.Key, "INFLUX_TIMEOUT": "24h",
	})
	dir := t.TempDir()
	mustRun(t, db, dir, environ)
	checkPowers(t, db, dir)
	environ["INFLUX_CA_FILE"] = theirs.File
	_, err := runs(t, db, dir, environ)
	wrong(t, err == nil || !strings.Contains(err.Error(), `INFLUX_CA_FILE="`+theirs.File+`"`),
		"a wrong authority: %v", err)
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	// Each error must have all of these words in it.
	check := func(name string, environ map[string]string, words ...string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			full := map[string]string{"INFLUX_TOKEN_DIR": t.TempDir(), "INFLUX_TIMEOUT": "0.5"}
			maps.Copy(full, environ)
			err := run(t.Context(), service.Process{Environ: full, Stdout: io.Discard, Stderr: t.Output()})
			if err == nil {
				t.Fatal("it succeeds")
			}
			for _, word := range words {
				wrong(t, !strings.Contains(err.Error(), word), "%q is not in: %v", word, err)
			}
			wrong(t, slices.Contains(words, "not InfluxDB 2") && strings.Contains(err.Error(), "waited"),
				"it waits for another program: %v", err)
		})
	}
	db := influxtest.Shared(t)
	stranger := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	check("wrong password", map[string]string{
		"INFLUX_URL":            db.URL,
		"INFLUX_ADMIN_PASSWORD": "notthepassword",
	},
		"INFLUX_ADMIN_PASSWORD", "INFLUX_ADMIN_USER=admin", db.URL, "first set up")
	check("nobody there", map[string]string{"INFLUX_URL": "http://127.0.0.1:1"},
		"INFLUX_URL=http://127.0.0.1:1", "500ms", "INFLUX_TIMEOUT", "refused")
	check("starting for ever", map[string]string{"INFLUX_URL": stranger(503, "")}, "INFLUX_URL", "503")
	check("another program", map[string]string{"INFLUX_URL": stranger(404, "no")},
		"INFLUX_URL", "not InfluxDB 2", "404")
	check("InfluxDB 1", map[string]string{"INFLUX_URL": stranger(200,
		`{"name":"influxdb","status":"pass","version":"1.8.10"}`)},
		"INFLUX_URL", "not InfluxDB 2", "1.8.10")
	check("InfluxDB 3", map[string]string{"INFLUX_URL": stranger(401, "")},
		"INFLUX_URL", "not InfluxDB 2")
	check("folder", map[string]string{
		"INFLUX_URL":       db.URL,
		"INFLUX_TOKEN_DIR": filepath.Join(file, "tokens"),
	},
		"INFLUX_TOKEN_DIR="+file, "not a directory")
	check("everything wrong", map[string]string{
		"INFLUX_URL": "localhost:8086", "INFLUX_BUCKET": "_x", "INFLUX_RETENTION": "59m",
		"INFLUX_ADMIN_PASSWORD": "seven77",
		"INFLUX_TIMEOUT":        "0", "INFLUX_TOKEN_GROUPS": "nobody:1",
	}, "INFLUX_URL", "INFLUX_BUCKET", "INFLUX_RETENTION", "1h", "INFLUX_ADMIN_PASSWORD: has 7",
		"INFLUX_TIMEOUT", "nobody")
	check("one bucket", map[string]string{"INFLUX_PIPELINE_BUCKET": "color_data"},
		`INFLUX_PIPELINE_BUCKET="color_data"`, "may not see the rest")
	check("unreadable values", map[string]string{
		"INFLUX_RETENTION":    "5 parsecs",
		"INFLUX_TOKEN_GROUPS": "worker",
	},
		"5 parsecs", "30d", `INFLUX_TOKEN_GROUPS="worker"`)
	if os.Getuid() != 0 { // root may write everywhere
		locked := t.TempDir()
		if err := os.Chmod(locked, 0o500); err != nil {
			t.Fatal(err)
		}
		check("read-only folder", map[string]string{"INFLUX_TOKEN_DIR": locked},
			"INFLUX_TOKEN_DIR="+locked, "permission denied")
	}
}

// An ordinary user may sign in, but not make an organisation.
func TestOrgCannotBeMade(t *testing.T) {
	t.Parallel()
	db := influxtest.Start(t)
	var user struct{ ID string }
	get(t, db, http.MethodPost, "/api/v2/users", `{"name":"guest"}`, &user)
	get(t, db, http.MethodPost, "/api/v2/users/"+user.ID+"/password", `{"password":"guestguest"}`, nil)
	_, err := runs(t, db, t.TempDir(), map[string]string{
		"INFLUX_ADMIN_USER": "guest", "INFLUX_ADMIN_PASSWORD": "guestguest", "INFLUX_ORG": "elsewhere",
	})
	if err == nil || !strings.Contains(err.Error(), "INFLUX_ORG=elsewhere") ||
		!strings.Contains(err.Error(), "cannot be made") {
		t.Errorf("got %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	err := run(ctx, service.Process{
		Environ: map[string]string{"INFLUX_URL": "http://127.0.0.1:1", "INFLUX_TOKEN_DIR": t.TempDir()},
		// stops it when it says that it waits
		Stdout: io.Discard, Stderr: writerFunc(func([]byte) { cancel() }),
	})
	wrong(t, err == nil || !strings.Contains(err.Error(), "interrupted"), "got %v", err)
}

// wrong reports a problem where a condition holds.
func wrong(t *testing.T, is bool, format string, args ...any) {
	t.Helper()
	if is {
		t.Errorf(format, args...)
	}
}

// equal reports how two values differ.
func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}
