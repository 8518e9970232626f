package compose_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run TestEveryVariableIsDocumented . -update-docs

var update = flag.Bool("update-docs", false, "write .env.example anew")

// variable is one of a program's, as the table in its documents says, which is generated from the
// program's configuration.
type variable struct {
	name     string
	standard string // its default
	help     string
	secret   bool
}

// tables are where the programs of services have their tables: a document, and a heading in it.
var tables = map[string][2]string{
	"generator":     {"generator/docs/variables.md", "generator"},
	"worker":        {"worker/docs/variables.md", "worker"},
	"import":        {"worker/docs/variables.md", "worker import"},
	"dashboard":     {"dashboard/docs/variables.md", "dashboard"},
	"influxdb-init": {"influxdb/docs/variables.md", "influxdb"},
}

var tableRow = regexp.MustCompile(
	"(?m)^\\| `(\\w+)(\\[_FILE\\])?` \\| (?:–|required|`(.*)`) \\| (.*) \\|$")

// known lists the variables of a service's program, in the order of the table.
func known(t *testing.T, service string) []variable {
	t.Helper()
	_, section, _ := strings.Cut(read(t, tables[service][0]), "\n## "+tables[service][1]+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var list []variable
	for _, m := range tableRow.FindAllStringSubmatch(section, -1) {
		v := variable{name: m[1], standard: m[3], help: m[4], secret: m[2] != ""}
		list = append(list, v)
		if v.secret {
			list = append(list, variable{name: v.name + "_FILE", help: "a file that holds it"})
		}
	}
	if len(list) < 10 {
		t.Fatalf("%v: only %d variables found", tables[service], len(list))
	}
	return list
}

// standard is the default of a service's variable, if it has the variable at all.
func standard(t *testing.T, service, name string) (string, bool) {
	t.Helper()
	for _, v := range known(t, service) {
		if v.name == name {
			return v.standard, true
		}
	}
	return "", false
}

// A misspelt or outdated name would be ignored without a word.
func TestProgramsKnowTheirVariables(t *testing.T) {
	t.Parallel()
	project := load(t)
	for service := range tables {
		for name := range project.Services[service].Environment {
			if _, ok := standard(t, service, name); !ok {
				t.Errorf("%s does not know %s", service, name)
			}
		}
	}
}

// mentioned are the variables that a user may set, with the defaults that the file gives: those in
// ${…}, and those that are passed on as they are, whose default is the program's.
func mentioned(t *testing.T) map[string]string {
	t.Helper()
	model, err := options(t, nil, cli.WithProfiles([]string{"*"}),
		cli.WithInterpolation(false)).LoadModel(t.Context())
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
			for name, v := range template.ExtractVariables(map[string]any{"": value},
				template.DefaultPattern) {
				if defaults[name] == "" {
					defaults[name] = v.DefaultValue
				}
				walk(v.DefaultValue)
			}
		}
	}
	walk(model)
	project := load(t)
	for service := range ours {
		for name, value := range project.Services[service].Environment {
			if _, own := defaults[name]; value == nil || own && *value == "" {
				defaults[name], _ = standard(t, service, name)
			}
		}
	}
	return defaults
}

// generated is the line of .env.example under which it is written by `make generate`.
const generated = "# --- The programs' own (generated: change the configuration in the code) ---\n"

// wrap breaks a text into comment lines of at most 100 columns.
func wrap(text string) string {
	var b strings.Builder
	width := 100
	for word := range strings.FieldsSeq(text) {
		if width += 1 + utf8.RuneCountInString(word); width > 100 {
			b.WriteString("\n#")
			width = 2 + utf8.RuneCountInString(word)
		}
		b.WriteString(" " + word)
	}
	return b.String()
}

// TestEveryVariableIsDocumented holds .env.example against docker-compose.yml: it lists all that
// can be set, nothing else, and the true defaults. What the programs' tables know is generated; the
// rest, which only Docker knows, stands above by hand. Copied as it is, it changes nothing.
func TestEveryVariableIsDocumented(t *testing.T) {
	t.Parallel()
	all := mentioned(t)
	all["GRAFANA_ADMIN_PASSWORD"] = "admin" // Grafana's own
	all["GRAFANA_PUBLIC_URL"] = *load(t).Services["dashboard"].Environment["GRAFANA_PUBLIC_URL"]
	for name := range all {
		if strings.HasSuffix(name, "_FILE") {
			all[name] = "" // the file's default is a stand-in
		}
	}
	var b strings.Builder
	rest := maps.Clone(all)
	for _, service := range []string{"generator", "worker", "dashboard", "influxdb-init"} {
		for _, v := range known(t, service) {
			if value, ok := rest[v.name]; ok {
				fmt.Fprintf(&b, "%s\n#%s=%s\n", wrap(v.help), v.name, value)
				delete(rest, v.name)
			}
		}
	}
	byHand, section, _ := strings.Cut(read(t, ".env.example"), generated)
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^#?([A-Z][A-Z0-9_]*)=(.*)$`).FindAllStringSubmatch(
		byHand, -1) {
		got[m[1]] = m[2]
	}
	if set := regexp.MustCompile(`(?m)^[^#\s].*`).FindString(byHand + section); set != "" {
		t.Errorf("it sets something: %s", set)
	}
	if diff := cmp.Diff(rest, got); diff != "" {
		t.Errorf("written by hand: -docker-compose.yml +.env.example\n%s", diff)
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, ".env.example"), []byte(byHand+generated+b.String()),
			0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(b.String(), section); diff != "" {
		t.Errorf("make generate writes it anew: -docker-compose.yml +.env.example\n%s", diff)
	}
}

// What most people look for stands in the file with its default, and is the program's own.
func TestDefaultsAreWhereTheyAreLookedFor(t *testing.T) {
	t.Parallel()
	text := read(t, "docker-compose.yml")
	for name, service := range map[string]string{
		"GENERATOR_INTERVAL": "generator", "WORKER_WINDOW": "worker", "DASHBOARD_REFRESH": "dashboard",
	} {
		value, _ := standard(t, service, name)
		line := name + ": ${" + name + ":-" + value + "}"
		wrong(t, !strings.Contains(text, line), "%q is missing", line)
	}
	window, _ := standard(t, "worker", "WORKER_WINDOW")
	each(t, load(t), func(t *testing.T, name string, s types.ServiceConfig) {
		value := s.Environment["WORKER_WINDOW"]
		wrong(t, value != nil && *value != window, "it has another window")
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

// What is set reaches the programs that it is for. In .env it stands as NAME=value.
func TestSettingsReachTheirPrograms(t *testing.T) {
	t.Parallel()
	want := func(set, services, inside string) {
		t.Helper()
		project := load(t, set)
		name, value, _ := strings.Cut(inside, "=")
		for service := range strings.SplitSeq(services, " ") {
			got := ""
			if v := project.Services[service].Environment[name]; v != nil {
				got = *v
			}
			wrong(t, got != value, "%s: %s has %s=%s", set, service, name, got)
		}
	}
	want("", "generator worker stream", "REDIS_TRANSPORT=pubsub")
	want("REDIS_TRANSPORT=stream", "generator worker stream", "REDIS_TRANSPORT=stream")
	want("", "grafana", "ALERT_WEBHOOK_URL=")
	want("", "grafana", "ALERT_WEBHOOK_SET=") // Grafana is told that there is none
	want("ALERT_WEBHOOK_URL=http://hook.example/x", "grafana",
		"ALERT_WEBHOOK_URL=http://hook.example/x")
	want("ALERT_WEBHOOK_URL=http://hook.example/x", "grafana", "ALERT_WEBHOOK_SET=yes")

	// A password, as itself or as a file.
	secret := func(service, set, inside, inFile, source string) {
		t.Helper()
		want(set+"=12345678", service, inside+"=12345678")
		want(set+"=12345678", service, inFile+"=")
		path := filepath.Join(t.TempDir(), "password")
		want(set+"_FILE="+path, service, inside+"=")
		want(set+"_FILE="+path, service, inFile+"=/run/secrets/"+source)
		project := load(t, set+"_FILE="+path)
		secrets := project.Services[service].Secrets
		wrong(t, project.Secrets[source].File != path || len(secrets) != 1 || secrets[0].Source != source,
			"the file of %s does not reach %s", set, service)
	}
	secret("influxdb-init", "INFLUX_ADMIN_PASSWORD", "INFLUX_ADMIN_PASSWORD",
		"INFLUX_ADMIN_PASSWORD_FILE", "influx_admin_password")
	secret("grafana", "GRAFANA_ADMIN_PASSWORD", "GF_SECURITY_ADMIN_PASSWORD",
		"GF_SECURITY_ADMIN_PASSWORD__FILE", "grafana_admin_password")
	secret("dashboard", "DASHBOARD_PASSWORD", "DASHBOARD_PASSWORD", "DASHBOARD_PASSWORD_FILE",
		"dashboard_password")
}
