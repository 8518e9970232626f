package compose_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"colorstream/influxdb/influxd"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

// Without a profile, that which a newcomer starts is there and nothing else.
func TestServices(t *testing.T) {
	t.Parallel()
	want := []string{
		"dashboard", "dotenv", "generator", "grafana", "influxdb", "influxdb-init",
		"redis", "worker",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(project(t, nil).Services))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A service has no privileges, and limits.
func TestConfinement(t *testing.T) {
	t.Parallel()
	each(t, load(t), func(t *testing.T, name string, s types.ServiceConfig) {
		wrong(t, !slices.Contains(s.CapDrop, "ALL") || len(s.CapAdd) > 0 || s.Privileged,
			"has capabilities")
		wrong(t, !slices.Contains(s.SecurityOpt, "no-new-privileges:true"), "may gain privileges")
		// Newer versions of Grafana unpack plugins into the image's own folders.
		wrong(t, !s.ReadOnly && name != "grafana", "may write to its root")
		for _, v := range s.Volumes {
			wrong(t, v.Type == types.VolumeTypeBind && !v.ReadOnly,
				"may write to the checkout, at %s", v.Source)
			wrong(t, v.Source == "tokens" && v.ReadOnly == (name == "influxdb-init"),
				"only influxdb-init writes tokens")
		}
		user := user(t, s)
		wrong(t, user == "" || user == "root" || strings.HasPrefix(user, "0"), "runs as %q", user)
		wrong(t, s.MemLimit < 6<<20, "memory: %d", s.MemLimit) // Docker's own least
		wrong(t, s.PidsLimit <= 0, "no limit of processes")
		wrong(t, s.Logging == nil || s.Logging.Options["max-size"] == "" ||
			s.Logging.Options["max-file"] == "", "its log grows for ever")
	})
}

// user is who a service runs as: the compose file says so, or its Dockerfile.
func user(t *testing.T, s types.ServiceConfig) string {
	t.Helper()
	if s.User != "" || s.Build == nil {
		return s.User
	}
	text := read(t, s.Build.Dockerfile)
	if users := regexp.MustCompile(`(?m)^USER (\S+)`).FindAllStringSubmatch(text, -1); users != nil {
		return users[len(users)-1][1]
	}
	images := from.FindAllStringSubmatch(text, -1)
	switch base := images[len(images)-1][1]; {
	case strings.HasSuffix(base, ":nonroot"):
		return "65532"
	case strings.HasPrefix(base, "grafana/grafana:"):
		return "472" // the image's own
	}
	return ""
}

// Each program can read its own token and no other: the files' groups are those that the containers
// are in.
func TestTokensAreApart(t *testing.T) {
	t.Parallel()
	project := load(t)
	init := project.Services["influxdb-init"]
	groups := map[string]string{}
	for pair := range strings.SplitSeq(*init.Environment["INFLUX_TOKEN_GROUPS"], ",") {
		name, group, _ := strings.Cut(pair, ":")
		wrong(t, !slices.Contains(init.GroupAdd, group),
			"influxdb-init is not in group %s, and cannot give it a file", group)
		groups[name] = group
	}
	owner, _, _ := strings.Cut(user(t, init), ":")
	each(t, project, func(t *testing.T, name string, s types.ServiceConfig) {
		if name == "influxdb-init" {
			return
		}
		uses := map[string]string{"INFLUX_TOKEN_FILE": name, "INFLUX_TOKEN": name}
		if name == "import" { // looks before it writes
			uses = map[string]string{"INFLUX_TOKEN_FILE": "worker", "INFLUX_READ_TOKEN_FILE": "dashboard"}
		}
		var want []string
		for variable, token := range uses {
			if path := s.Environment[variable]; path != nil && *path != "" {
				wrong(t, !strings.Contains(*path, "/run/tokens/"+token), "uses the token %s", *path)
				want = append(want, groups[token])
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(s.GroupAdd))); diff != "" {
			t.Errorf("groups of the files that it uses: -want +got\n%s", diff)
		}
		uid, _, _ := strings.Cut(user(t, s), ":")
		wrong(t, want != nil && uid == owner, "runs as the user that owns all tokens")
	})
}

// Queries have the limits in a container that they have without one, and fit in its memory.
func TestQueryLimits(t *testing.T) {
	t.Parallel()
	s := load(t).Services["influxdb"]
	want := map[string]string{}
	for _, pair := range influxd.QueryLimits {
		name, value, _ := strings.Cut(pair, "=")
		want[name] = value
	}
	got := map[string]string{}
	for name, value := range s.Environment {
		if strings.HasPrefix(name, "INFLUXD_QUERY_") || name == "GOMEMLIMIT" {
			got[name] = *value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-make run +docker-compose.yml\n%s", diff)
	}
	limit := types.UnitBytes(1536 << 20)
	wrong(t, s.MemLimit <= limit, "influxd has %d bytes, and may use %d", s.MemLimit, limit)
}

// What runs for ever says whether it is well, and comes back; what does not is waited for by its
// end.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	project := load(t)
	each(t, project, func(t *testing.T, name string, s types.ServiceConfig) {
		if slices.Contains(oneShots, name) {
			wrong(t, s.Restart != types.RestartPolicyNo, "restart: %s", s.Restart)
		} else {
			wrong(t, s.Restart != types.RestartPolicyUnlessStopped, "restart: %s", s.Restart)
			h := s.HealthCheck
			wrong(t, h == nil || h.Disable || len(h.Test) < 2 || h.Interval == nil || h.Timeout == nil ||
				h.StartPeriod == nil, "health check: %+v", h)
		}
		for other, dependency := range s.DependsOn {
			want := types.ServiceConditionHealthy
			if slices.Contains(oneShots, other) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			wrong(t, dependency.Condition != want, "waits for %s: %s", other, dependency.Condition)
			// Compose refuses a needed service that no active profile has.
			isOptional := len(project.Services[other].Profiles) > 0
			wrong(t, dependency.Required == isOptional, "needs %s: %v", other, dependency.Required)
		}
		_, token := s.Environment["INFLUX_TOKEN_FILE"]
		_, waits := s.DependsOn["influxdb-init"]
		wrong(t, (token || name == "grafana") && !waits, "does not wait for its token")
	})
}

func TestPorts(t *testing.T) {
	t.Parallel()
	published := map[string]string{
		"dashboard": "8050", "grafana": "3000", "influxdb": "8086", "redis": "6379", "worker": "8051",
		"generator": "8052",
	}
	check := func(t *testing.T, project *types.Project, host, prefix string) {
		t.Helper()
		each(t, project, func(t *testing.T, name string, s types.ServiceConfig) {
			var got, want []string
			for _, p := range s.Ports {
				got = append(got, p.HostIP+":"+p.Published)
			}
			if port := published[name]; port != "" {
				want = []string{host + ":" + prefix + port}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	check(t, load(t), "127.0.0.1", "")
	check(t, load(t, "BIND_ADDRESS=0.0.0.0", "DASHBOARD_PORT=18050", "GRAFANA_PORT=13000",
		"INFLUX_PORT=18086",
		"REDIS_PORT=16379", "WORKER_PORT=18051", "GENERATOR_PORT=18052"), "0.0.0.0", "1")
}

// Every folder that is mounted exists, and every named volume is used.
func TestVolumes(t *testing.T) {
	t.Parallel()
	project := load(t)
	used := map[string]bool{}
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			used[v.Source] = true
			if v.Type != types.VolumeTypeBind {
				continue
			}
			info, err := os.Stat(v.Source)
			wrong(t, err != nil || info.IsDir() == (v.Target == "/etc/grafana/grafana.ini"),
				"%s: %s is not what it should be: %v", name, v.Source, err)
			if name == "grafana" && v.Target == *s.Environment["GRAFANA_DASHBOARDS"] {
				home := regexp.MustCompile(`= \$__env\{GRAFANA_DASHBOARDS\}/(.+)`).FindStringSubmatch(
					read(t, "grafana/grafana.ini"))
				if home == nil {
					t.Fatal("grafana.ini has no home dashboard")
				}
				if _, err := os.Stat(filepath.Join(v.Source, home[1])); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for name := range project.Volumes {
		wrong(t, !used[name], "nothing uses the volume %s", name)
	}
}
