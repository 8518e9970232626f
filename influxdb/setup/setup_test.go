package setup_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colorstream/influxdb/access"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/setup"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

func apply(t *testing.T, db *influxtest.Server, plan setup.Plan) *setup.Server {
	t.Helper()
	admin := setup.Admin{User: influxtest.User, Password: influxtest.Password}
	s, err := setup.Apply(t.Context(), slog.New(slog.NewTextHandler(t.Output(), nil)),
		access.Config{URL: db.URL}, admin, plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A plan with two buckets, of which a token may read both.
func TestSecondBucket(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t)
	plan := setup.Plan{
		Org:     t.Name(),
		Buckets: []setup.Bucket{{Name: "data"}},
		Tokens:  []setup.Token{{Name: "grafana", Read: []string{"data"}}},
	}
	folder := setup.Folder{Path: t.TempDir()}
	if err := apply(t, db, plan).WriteTokens(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	before := read(t, folder.Path, "grafana")

	// What an update of the program brings to an existing server.
	plan.Buckets = append(plan.Buckets, setup.Bucket{Name: "pipeline", Retention: 24 * time.Hour})
	plan.Tokens = []setup.Token{
		{Name: "grafana", Read: []string{"data", "pipeline"}},
		{Name: "monitor", Write: []string{"pipeline"}},
	}
	s := apply(t, db, plan)
	if err := s.WriteTokens(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	grafana, monitor := read(t, folder.Path, "grafana"), read(t, folder.Path, "monitor")
	if grafana == before {
		t.Error("the token that lacks a bucket is kept")
	}
	own := *db
	own.Org = plan.Org
	for _, bucket := range []string{"data", "pipeline"} {
		own.Bucket = bucket
		if _, err := own.TryQuery(t, grafana, `from(bucket: "`+bucket+`") |> range(start: -1h)`); err != nil {
			t.Errorf("grafana reads %s: %v", bucket, err)
		}
		if err := own.TryWrite(t, monitor, "m f=1"); (err == nil) != (bucket == "pipeline") {
			t.Errorf("monitor writes %s: %v", bucket, err)
		}
	}
	if err := s.WriteTokens(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{grafana, monitor}, []string{read(t, folder.Path, "grafana"), read(t, folder.Path, "monitor")}); diff != "" {
		t.Error("a second run changes tokens:", diff)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// A token that could not be written to its file must not stay in InfluxDB, and
// the one that was there before must.
func TestTokenThatCannotBeKeptIsTakenBack(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t)
	s := apply(t, db, setup.Plan{
		Org: t.Name(), Buckets: []setup.Bucket{{Name: "data"}},
		Tokens: []setup.Token{{Name: "worker", Write: []string{"data"}}},
	})
	folder := setup.Folder{Path: t.TempDir()}
	if err := s.WriteTokens(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	old := read(t, folder.Path, "worker")
	gone := setup.Folder{Path: filepath.Join(folder.Path, "gone")}
	if err := s.WriteTokens(t.Context(), gone); err == nil ||
		!strings.Contains(err.Error(), `"worker"`) {
		t.Fatalf("got %v", err)
	}
	own := *db
	own.Org, own.Bucket = t.Name(), "data"
	if err := own.TryWrite(t, old, "m f=1"); err != nil {
		t.Errorf("the old token: %v", err)
	}
	if err := s.WriteTokens(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	if got := read(t, folder.Path, "worker"); got != old {
		t.Error("the old token was replaced")
	}
	if n := countTokens(t, db, t.Name()); n != 1 {
		t.Errorf("there are %d tokens", n)
	}
}

func countTokens(t *testing.T, db *influxtest.Server, org string) int {
	t.Helper()
	text, err := db.Get(t, db.AdminToken, "/api/v2/authorizations?org="+org)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), `"token":`)
}

func TestFolderOfGroupsLetsPass(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	folder := setup.Folder{Path: path, Groups: map[string]int{"grafana": os.Getgid()}}
	lock, err := folder.Lock(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o711 {
		t.Errorf("mode %v", info.Mode())
	}
}
