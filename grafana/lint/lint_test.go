package lint_test

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"colorstream/grafana/lint"
	"colorstream/grafana/provision"
)

var update = flag.Bool("update", false, "write testdata/messages.golden")

func TestShippedFilesAreClean(t *testing.T) {
	t.Parallel()
	for _, p := range check(t, os.DirFS("..")) {
		t.Error(p)
	}
}

// Each file in testdata breaks one rule: the one that its name begins with.
func TestEveryRuleFires(t *testing.T) {
	t.Parallel()
	shipped := shippedFiles(t)
	var messages strings.Builder
	fired := map[string]bool{}
	for _, path := range brokenFiles(t) {
		name := filepath.Base(path)
		rule, _, _ := strings.Cut(strings.TrimSuffix(name, filepath.Ext(name)), ".")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := fstest.MapFS{}
		maps.Copy(files, shipped)
		switch {
		case filepath.Ext(name) == ".yaml":
			delete(files, "provisioning/alerting/rules.yaml")
			files["provisioning/alerting/"+name] = &fstest.MapFile{Data: data}
		case rule == "embedded":
			delete(files, "dashboards/colors.json")
			delete(files, "provisioning/alerting/rules.yaml")
			files["dashboards/"+name] = &fstest.MapFile{Data: data}
		default:
			files["dashboards/"+name] = &fstest.MapFile{Data: data}
		}
		found := false
		for _, p := range check(t, files) {
			messages.WriteString(p.String() + "\n")
			found = found || p.Rule == rule
			if p.Rule == rule {
				fired[rule] = true
			} else if p.File == name {
				t.Errorf("%s breaks the rule %q too: %v", name, p.Rule, p)
			}
			if p.File != name && rule != "duplicate-uid" && rule != "duplicate-title" {
				t.Errorf("%s makes another file guilty: %v", name, p)
			}
		}
		if !found {
			t.Errorf("%s does not break the rule %q", name, rule)
		}
	}
	for _, rule := range rules(t) {
		if !fired[rule] {
			t.Errorf("no file in testdata breaks the rule %q", rule)
		}
	}

	const golden = "testdata/messages.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(messages.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), messages.String()); diff != "" {
		t.Errorf("messages differ (-want +got); run with -update if they should:\n%s", diff)
	}
}

func check(t *testing.T, files fs.FS) []lint.Problem {
	t.Helper()
	set, err := provision.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return lint.Set(set)
}

func shippedFiles(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, path := range []string{"dashboards/colors.json", "dashboards/color.json", "dashboards/pipeline.json", "provisioning/alerting/rules.yaml"} {
		data, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		files[path] = &fstest.MapFile{Data: data}
	}
	return files
}

func brokenFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"testdata/broken/*.json", "testdata/alerts/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %d files", pattern, err, len(found))
		}
		out = append(out, found...)
	}
	return out
}

// rules reads the names of all rules out of the package's source.
func rules(t *testing.T) []string {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	call := regexp.MustCompile(`\.add\("([a-z0-9-]+)"`)
	for _, path := range sources {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(data), -1) {
			out = append(out, m[1])
		}
	}
	return out
}
