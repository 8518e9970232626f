package compose_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

var (
	from = regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)`)
	// pinned tags name a version down to what its makers only mend.
	pinned = regexp.MustCompile(`^\d+\.\d+\.\d+(-[a-z0-9.]+)?$`)
)

// The servers are those that were tried, not whatever is newest on the day.
func TestTags(t *testing.T) {
	t.Parallel()
	each(t, load(t), func(t *testing.T, name string, s types.ServiceConfig) {
		_, tag, _ := strings.Cut(s.Image, ":")
		if name == "grafana" {
			tag = *s.Build.Args["GRAFANA_VERSION"]
		}
		wrong(t, (s.Build == nil || name == "grafana") && !pinned.MatchString(tag), "%q is not pinned",
			tag)
	})
	if got := *load(t, "GRAFANA_VERSION=9.4.17").Services["grafana"].Build.Args["GRAFANA_VERSION"]; got != "9.4.17" {
		t.Errorf("GRAFANA_VERSION gives %s", got)
	}
	if image := load(t).Services["influxdb"].Image; !strings.HasPrefix(image, "influxdb:2.8.") {
		t.Errorf("%s is not the InfluxDB that everything was tried with", image)
	}
}

func TestDockerfiles(t *testing.T) {
	t.Parallel()
	each(t, load(t), func(t *testing.T, name string, s types.ServiceConfig) {
		if s.Build == nil {
			return
		}
		if want, _ := filepath.Abs(root); s.Build.Context != want {
			t.Errorf("context: %s", s.Build.Context)
		}
		text := read(t, s.Build.Dockerfile)
		for _, m := range from.FindAllStringSubmatch(text, -1) {
			image := m[1]
			_, tag, _ := strings.Cut(image, ":")
			switch {
			case strings.HasPrefix(image, "golang:") && strings.HasPrefix(read(t, "go.work"), "go "+tag+"."):
			case image == "gcr.io/distroless/static-debian12:nonroot": // has no versions
			case strings.HasPrefix(image, "grafana/grafana:"): // compose passes the version
			default:
				t.Errorf("FROM %s", image)
			}
		}
		if ours[name] == "" {
			return
		}
		for _, part := range []string{
			"CGO_ENABLED=0", "GOWORK=off",
			"--mount=type=cache,target=/go/pkg/mod", "TARGETARCH", "-trimpath",
		} {
			wrong(t, !strings.Contains(text, part), "without %s", part)
		}
		wrong(t, s.HealthCheck != nil && !strings.Contains(text, "HEALTHCHECK"),
			"without a health check, which those who use the image alone need too")
	})
}

// The Dockerfiles copy what their programs import of other modules, and nothing else.
func TestImportsAreCopied(t *testing.T) {
	t.Parallel()
	folders := map[string]string{"grafana": "grafana/plugin"}
	maps.Copy(folders, ours)
	copied := regexp.MustCompile(`(?m)^COPY (\w+(?:/\w+)*) `)
	replaced := regexp.MustCompile(`colorstream/(\S+) => `)
	for service, folder := range folders {
		list := exec.Command("go", "list", "-deps", ".")
		list.Dir, list.Env = filepath.Join(root, folder), append(os.Environ(), "GOWORK=off")
		out, err := list.Output()
		if err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		want := map[string]bool{}
		for path := range strings.FieldsSeq(string(out)) {
			path, ok := strings.CutPrefix(path, "colorstream/")
			if module, _, _ := strings.Cut(path, "/"); ok && !strings.HasPrefix(folder, module) {
				want[path] = true
			}
		}
		got := map[string]bool{}
		file := load(t).Services[service].Build.Dockerfile
		for _, m := range copied.FindAllStringSubmatch(read(t, file), -1) {
			if module, _, _ := strings.Cut(m[1], "/"); !strings.HasPrefix(folder, module) {
				got[m[1]] = true
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -imported +copied\n%s", file, diff)
		}
		// Go looks at all modules that go.mod names, also those that tests alone import.
		for _, m := range replaced.FindAllStringSubmatch(read(t, folder+"/go.mod"), -1) {
			wrong(t, !strings.Contains(read(t, file), "COPY "+m[1]+"/go.mod "),
				"%s does not copy %s/go.mod", file, m[1])
		}
	}
}

// What the Dockerfiles copy is there, and .dockerignore does not hold it back.
func TestWhatIsCopied(t *testing.T) {
	t.Parallel()
	ignored := read(t, ".dockerignore")
	wrong(t, !strings.Contains(ignored, "\n*\n"),
		".dockerignore lets everything through: data, .env, .git")
	copied := regexp.MustCompile(`(?m)^COPY ([^-].*) \S+$`)
	each(t, load(t), func(t *testing.T, _ string, s types.ServiceConfig) {
		if s.Build == nil {
			return
		}
		for _, m := range copied.FindAllStringSubmatch(read(t, s.Build.Dockerfile), -1) {
			for source := range strings.FieldsSeq(m[1]) {
				found, err := filepath.Glob(filepath.Join(root, source))
				wrong(t, err != nil || len(found) == 0, "COPY %s: not there (%v)", source, err)
				top, _, _ := strings.Cut(source, "/")
				wrong(t, !strings.Contains(ignored, "\n!"+top+"\n"),
					"COPY %s: .dockerignore holds %s back", source, top)
			}
		}
	})
	for line := range strings.Lines(ignored) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "!")
		if line == "" || strings.ContainsAny(line, "*#") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, line)); err != nil {
			t.Errorf(".dockerignore: %v", err)
		}
	}
}
