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
)

func TestMain(m *testing.M) { influxtest.Main(m) }

func apply(t *testing.T, db *influxtest.Server, plan setup.Plan) error {
	t.Helper()
	admin := setup.Admin{User: influxtest.User, Password: influxtest.Password}
	return setup.Apply(t.Context(), slog.New(slog.NewTextHandler(t.Output(), nil)),
		access.Config{URL: db.URL}, time.Minute, admin, plan)
}

func read(t *testing.T, folder setup.Folder, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder.Path, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// A token that could not be written to its file must not stay in InfluxDB, and the one that was
// there before must.
func TestTokenThatCannotBeKeptIsTakenBack(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t)
	plan := setup.Plan{
		Org: t.Name(), Buckets: []setup.Bucket{{Name: "data"}},
		Tokens: []setup.Token{{Name: "worker", Write: []string{"data"}}},
		Folder: setup.Folder{Path: t.TempDir()},
	}
	if err := apply(t, db, plan); err != nil {
		t.Fatal(err)
	}
	old := read(t, plan.Folder, "worker")
	bad := plan
	bad.Tokens = append(bad.Tokens, setup.Token{Name: "no/folder", Read: []string{"data"}})
	if err := apply(t, db, bad); err == nil || !strings.Contains(err.Error(), `"no/folder"`) {
		t.Fatalf("got %v", err)
	}
	own := *db
	own.Org, own.Bucket = t.Name(), "data"
	if err := own.TryWrite(t, old, "m f=1"); err != nil {
		t.Errorf("the old token: %v", err)
	}
	text, err := db.Get(t, db.AdminToken, "/api/v2/authorizations?org="+t.Name())
	if n := strings.Count(string(text), `"token":`); n != 1 || err != nil {
		t.Errorf("there are %d tokens, %v", n, err)
	}
}
