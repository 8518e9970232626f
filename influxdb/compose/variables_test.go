package compose_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

// variable is one of a program's configuration, as its tags say.
type variable struct {
	standard string // its default
	secret   bool
}

// known lists the variables of a program, from the `env` tags in its sources and in the frame that all stand in.
func known(t *testing.T, folder string) map[string]variable {
	t.Helper()
	var files []string
	for _, pattern := range []string{filepath.Join(root, folder, "*.go"), filepath.Join(root, "generator/service/*.go")} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no sources (%v)", pattern, err)
		}
		files = append(files, found...)
	}
	variables := map[string]variable{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Tag == nil {
				return true
			}
			text, err := strconv.Unquote(field.Tag.Value)
			if err != nil {
				t.Fatal(err)
			}
			tag := reflect.StructTag(text)
			if name, _, _ := strings.Cut(tag.Get("env"), ","); name != "" {
				v := variable{tag.Get("envDefault"), tag.Get("secret") == "true"}
				variables[name] = v
				if v.secret {
					variables[name+"_FILE"] = variable{}
				}
			}
			return true
		})
	}
	return variables
}

// A misspelt or outdated name would be ignored without a word.
func TestProgramsKnowTheirVariables(t *testing.T) {
	t.Parallel()
	project := load(t)
	folders := maps.Clone(ours)
	folders["import"] = "worker/history"
	for service, folder := range folders {
		variables := known(t, folder)
		if len(variables) < 10 {
			t.Fatalf("%s: only %d variables found", folder, len(variables))
		}
		for name := range project.Services[service].Environment {
			if _, ok := variables[name]; !ok {
				t.Errorf("%s does not know %s", service, name)
			}
		}
	}
}

// mentioned are the variables that a user may set, with the defaults that the file gives: those in ${…}, and those
// that are passed on as they are, whose default is the program's.
func mentioned(t *testing.T) map[string]string {
	t.Helper()
	model, err := options(t, nil, cli.WithProfiles([]string{"*"}), cli.WithInterpolation(false)).LoadModel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			for _, v := range value {
				walk(v)
			}
		case []any:
			for _, v := range value {
				walk(v)
			}
		case string:
			// The default itself may hold a variable.
			for name, v := range template.ExtractVariables(map[string]any{"": value}, template.DefaultPattern) {
				if defaults[name] == "" {
					defaults[name] = v.DefaultValue
				}
				walk(v.DefaultValue)
			}
		}
	}
	walk(model)
	project := load(t)
	for service, folder := range ours {
		for name, value := range project.Services[service].Environment {
			if _, own := defaults[name]; value == nil || own && *value == "" {
				defaults[name] = known(t, folder)[name].standard
			}
		}
	}
	return defaults
}

// documented are the lines of .env.example that one would remove the # of.
func documented(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^#?([A-Z][A-Z0-9_]*)=(.*)$`).FindAllStringSubmatch(read(t, ".env.example"), -1) {
		if _, twice := values[m[1]]; twice {
			t.Errorf("%s stands there twice", m[1])
		}
		values[m[1]] = m[2]
	}
	return values
}

// .env.example lists all that can be set, nothing else, and the true defaults.
func TestEveryVariableIsDocumented(t *testing.T) {
	t.Parallel()
	got, want := documented(t), mentioned(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Fatalf("-docker-compose.yml +.env.example\n%s", diff)
	}
	want["GRAFANA_ADMIN_PASSWORD"] = "admin" // Grafana's own
	project := load(t)
	want["GRAFANA_PUBLIC_URL"] = *project.Services["dashboard"].Environment["GRAFANA_PUBLIC_URL"]
	for name := range want {
		if strings.HasSuffix(name, "_FILE") {
			want[name] = "" // the file's default is a stand-in
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults: -docker-compose.yml +.env.example\n%s", diff)
	}
}

// Copied as it is, .env.example changes nothing.
func TestTheExampleStartsTheSame(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(read(t, ".env.example")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			t.Errorf("sets something: %s", line)
		}
	}
}

// What most people look for stands in the file with its default, and is the program's own.
func TestDefaultsAreWhereTheyAreLookedFor(t *testing.T) {
	t.Parallel()
	text := read(t, "docker-compose.yml")
	for name, folder := range map[string]string{
		"GENERATOR_INTERVAL": "generator", "WORKER_WINDOW": "worker", "DASHBOARD_REFRESH": "dashboard",
	} {
		line := name + ": ${" + name + ":-" + known(t, folder)[name].standard + "}"
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing", line)
		}
	}
	each(t, load(t), func(t *testing.T, name string, s types.ServiceConfig) {
		for variable, value := range s.Environment {
			standard := known(t, "worker")["WORKER_WINDOW"].standard
			if variable == "WORKER_WINDOW" && *value != standard {
				t.Errorf("%s has another window: %s", name, *value)
			}
		}
	})
}

// Nothing that opens a door stands in the file: passwords come from outside, tokens from a volume.
func TestNoSecrets(t *testing.T) {
	t.Parallel()
	secret := regexp.MustCompile(`PASSWORD|SECRET|TOKEN|KEY`)
	each(t, load(t), func(t *testing.T, name string, s types.ServiceConfig) {
		for variable, value := range s.Environment {
			switch {
			case !secret.MatchString(variable) || value == nil || *value == "":
			case strings.HasSuffix(variable, "_FILE") && strings.HasPrefix(*value, "/run/"):
			case variable == "INFLUX_TOKEN_GROUPS", *value == "true":
			case variable == "INFLUX_TOKEN" && name == "grafana" && *value == "$__file{/run/tokens/grafana}":
			default:
				t.Errorf("%s=%s", variable, *value)
			}
		}
	})
}

// A password reaches its program, as itself or as a file.
func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ service, set, inside, secret string }{
		{"influxdb-init", "INFLUX_ADMIN_PASSWORD", "INFLUX_ADMIN_PASSWORD", "influx_admin_password"},
		{"grafana", "GRAFANA_ADMIN_PASSWORD", "GF_SECURITY_ADMIN_PASSWORD", "grafana_admin_password"},
		{"dashboard", "DASHBOARD_PASSWORD", "DASHBOARD_PASSWORD", "dashboard_password"},
	} {
		inFile := test.inside + "_FILE"
		if test.service == "grafana" {
			inFile = test.inside + "__FILE"
		}
		s := load(t, test.set+"=12345678").Services[test.service]
		if *s.Environment[test.inside] != "12345678" || *s.Environment[inFile] != "" {
			t.Errorf("%s is not passed on", test.set)
		}
		path := filepath.Join(t.TempDir(), "password")
		project := load(t, test.set+"_FILE="+path)
		s = project.Services[test.service]
		if v := s.Environment[test.inside]; v != nil && *v != "" {
			t.Errorf("%s=%s beside a file", test.inside, *v)
		}
		if want := "/run/secrets/" + test.secret; *s.Environment[inFile] != want {
			t.Errorf("%s=%s instead of %s", inFile, *s.Environment[inFile], want)
		}
		if project.Secrets[test.secret].File != path || len(s.Secrets) != 1 || s.Secrets[0].Source != test.secret {
			t.Errorf("the file of %s does not reach %s", test.set, test.service)
		}
	}
}

// Without an address for alerts, Grafana is told that there is none.
func TestAlertsAreSentWhereAnAddressIsSet(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{"": "", "http://hook.example/x": "yes"} {
		environ := load(t, "ALERT_WEBHOOK_URL="+url).Services["grafana"].Environment
		if *environ["ALERT_WEBHOOK_URL"] != url || *environ["ALERT_WEBHOOK_SET"] != want {
			t.Errorf("%q: %q, %q", url, *environ["ALERT_WEBHOOK_URL"], *environ["ALERT_WEBHOOK_SET"])
		}
	}
}
