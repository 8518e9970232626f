package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// crossings are the packages that another module may import, and which of them. Tests may also
// import those in testCrossings. Whatever is not here does not cross a module's border.
var crossings = map[string][]string{
	"generator": {},
	"influxdb": {
		"generator/certs", "generator/process", "generator/redisserver",
		"generator/service",
	},
	"worker": {
		"generator/certs", "generator/tally", "generator/message", "generator/progress",
		"generator/redisurl", "generator/service", "generator/source", "generator/streamid",
		"influxdb/access", "influxdb/series",
	},
	"dashboard": {"generator/service", "influxdb/access", "influxdb/series"},
	"grafana": {
		"generator/process", "generator/service", "generator/service/servicetest", "influxdb/access",
		"influxdb/flux", "influxdb/series", "influxdb/influxd", "influxdb/influxtest", "influxdb/setup",
	},
	"grafana/plugin": {
		"generator/message", "generator/redisurl", "influxdb/series", "worker/window", "worker/source",
	},
}

var testCrossings = []string{
	"generator/certs/certstest", "generator/process", "grafana/grafanatest", "generator/message",
	"generator/redistest", "generator/redisurl", "generator/service/servicetest",
	"influxdb/influxtest", "influxdb/series", "worker/window",
}

// pure are the contracts and the core. Of other modules they import the standard library and the
// packages that stand here.
var pure = map[string][]string{
	"generator/message": nil, "influxdb/series": nil, "worker/window": {"influxdb/series"},
}

// strangers are packages of the worker that do not know each other.
var strangers = []string{
	"worker/window", "worker/source", "worker/store", "worker/influx",
	"worker/deadletter",
}

const prefix = "colorstream/"

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func list(t *testing.T, dir string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the packages of %s: %v", dir, err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// inModule tells whether a package belongs to the module, and not to one below it.
func inModule(pkg, module string) bool {
	rest, ok := strings.CutPrefix(pkg+"/", module+"/")
	return ok && (module != "grafana" || !strings.HasPrefix(rest, "plugin/"))
}

// TestImportDirections holds the directions in which the modules, and the worker's packages, know
// each other.
func TestImportDirections(t *testing.T) {
	t.Parallel()
	seen := 0
	for module, allowed := range crossings {
		for _, p := range list(t, "../"+module) {
			name := strings.TrimPrefix(p.ImportPath, prefix)
			check := func(imports, allowed []string, kind string) {
				for _, path := range imports {
					path, ours := strings.CutPrefix(path, prefix)
					if !ours {
						if _, is := pure[name]; is && strings.Contains(strings.Split(path, "/")[0], ".") &&
							kind == "" {
							t.Errorf("%s imports %s; of other modules it may import the standard library only", name,
								path)
						}
						continue
					}
					seen++
					if !inModule(path, module) && !slices.Contains(allowed, path) {
						t.Errorf("%s%s imports %s across the modules' border", name, kind, path)
					}
					if known, is := pure[name]; is && !slices.Contains(known, path) && kind == "" {
						t.Errorf("%s imports %s; of ours it may import %v only", name, path, known)
					}
					if slices.Contains(strangers, name) && slices.Contains(strangers, path) {
						t.Errorf("%s%s imports %s: they must not know each other", name, kind, path)
					}
				}
			}
			check(p.Imports, allowed, "")
			check(append(p.TestImports, p.XTestImports...), append(testCrossings, allowed...), "'s tests")
		}
	}
	if seen < 20 {
		t.Errorf("only %d imports of our own were seen: the test looks at the wrong place", seen)
	}
}
