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
	project, err := options(t, nil).LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"dashboard", "dotenv", "generator", "grafana", "influxdb", "influxdb-init", "redis", "worker"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(project.Services))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A service has no privileges, and limits.
func TestConfinement(t *testing.T) {
	t.Parallel()
	each(t, load(t), func(t *testing.T, name string, s types.ServiceConfig) {
		if !slices.Contains(s.CapDrop, "ALL") || len(s.CapAdd) > 0 || s.Privileged {
			t.Error("has capabilities")
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Error("may gain privileges")
		}
		// Newer versions of Grafana unpack plugins into the image's own folders.
		if !s.ReadOnly && name != "grafana" {
			t.Error("may write to its root")
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !v.ReadOnly {
				t.Errorf("may write to the checkout, at %s", v.Source)
			}
			if v.Source == "tokens" && v.ReadOnly == (name == "influxdb-init") {
				t.Error("only influxdb-init writes tokens")
			}
		}
		if user := user(t, s); user == "" || user == "root" || strings.HasPrefix(user, "0") {
			t.Errorf("runs as %q", user)
		}
		if s.MemLimit < 6<<20 { // Docker's own least
			t.Errorf("memory: %d", s.MemLimit)
		}
		if s.PidsLimit <= 0 {
			t.Error("no limit of processes")
		}
		if s.Logging == nil || s.Logging.Options["max-size"] == "" ||
			s.Logging.Options["max-file"] == "" {
			t.Error("its log grows for ever")
		}
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
		if !slices.Contains(init.GroupAdd, group) {
			t.Errorf("influxdb-init is not in group %s, and cannot give it a file", group)
		}
		groups[name] = group
	}
	owner, _, _ := strings.Cut(user(t, init), ":")
	each(t, project, func(t *testing.T, name string, s types.ServiceConfig) {
		token := s.Environment["INFLUX_TOKEN_FILE"]
		if name == "grafana" {
			token = s.Environment["INFLUX_TOKEN"]
		}
		switch {
		case name == "influxdb-init":
		case name == "import": // looks before it writes
			if *token != "/run/tokens/worker" ||
				*s.Environment["INFLUX_READ_TOKEN_FILE"] != "/run/tokens/dashboard" {
				t.Errorf("uses the tokens %s and %s", *token, *s.Environment["INFLUX_READ_TOKEN_FILE"])
			}
			if diff := cmp.Diff([]string{groups["worker"], groups["dashboard"]}, s.GroupAdd); diff != "" {
				t.Errorf("groups: -want +got\n%s", diff)
			}
		case token == nil:
			if len(s.GroupAdd) > 0 {
				t.Errorf("needs no token, and is in groups %v", s.GroupAdd)
			}
		default:
			if !strings.Contains(*token, "/run/tokens/"+name) {
				t.Errorf("uses the token %s", *token)
			}
			if diff := cmp.Diff([]string{groups[name]}, s.GroupAdd); diff != "" {
				t.Errorf("groups: -want +got\n%s", diff)
			}
			if uid, _, _ := strings.Cut(user(t, s), ":"); uid == owner {
				t.Error("runs as the user that owns all tokens")
			}
		}
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
	if limit := types.UnitBytes(1536 << 20); s.MemLimit <= limit {
		t.Errorf("influxd has %d bytes, and may use %d", s.MemLimit, limit)
	}
}

// What runs for ever says whether it is well, and comes back; what does not is waited for by its
// end.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	project := load(t)
	each(t, project, func(t *testing.T, name string, s types.ServiceConfig) {
		if slices.Contains(oneShots, name) {
			if s.Restart != types.RestartPolicyNo {
				t.Errorf("restart: %s", s.Restart)
			}
		} else {
			if s.Restart != types.RestartPolicyUnlessStopped {
				t.Errorf("restart: %s", s.Restart)
			}
			if h := s.HealthCheck; h == nil || h.Disable ||
				len(h.Test) < 2 || h.Interval == nil || h.Timeout == nil || h.StartPeriod == nil {
				t.Errorf("health check: %+v", h)
			}
		}
		for other, dependency := range s.DependsOn {
			want := types.ServiceConditionHealthy
			if slices.Contains(oneShots, other) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			if dependency.Condition != want {
				t.Errorf("waits for %s: %s", other, dependency.Condition)
			}
			// Compose refuses a needed service that no active profile has.
			if optional := len(project.Services[other].Profiles) > 0; dependency.Required == optional {
				t.Errorf("needs %s: %v", other, dependency.Required)
			}
		}
		if _, token := s.Environment["INFLUX_TOKEN_FILE"]; token || name == "grafana" {
			if _, waits := s.DependsOn["influxdb-init"]; !waits {
				t.Error("does not wait for its token")
			}
		}
	})
}

func TestPorts(t *testing.T) {
	t.Parallel()
	published := map[string]string{
		"dashboard": "8050", "grafana": "3000", "influxdb": "8086", "redis": "6379", "worker": "8051", "generator": "8052",
	}
	check := func(t *testing.T, project *types.Project, host string, change func(string) string) {
		t.Helper()
		each(t, project, func(t *testing.T, name string, s types.ServiceConfig) {
			var got, want []string
			for _, p := range s.Ports {
				got = append(got, p.HostIP+":"+p.Published)
			}
			if port := published[name]; port != "" {
				want = []string{host + ":" + change(port)}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	check(t, load(t), "127.0.0.1", func(port string) string { return port })
	check(t, load(t, "BIND_ADDRESS=0.0.0.0", "DASHBOARD_PORT=18050", "GRAFANA_PORT=13000", "INFLUX_PORT=18086",
		"REDIS_PORT=16379", "WORKER_PORT=18051", "GENERATOR_PORT=18052"), "0.0.0.0", func(port string) string { return "1" + port })
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
			if err != nil || info.IsDir() == (v.Target == "/etc/grafana/grafana.ini") {
				t.Errorf("%s: %s is not what it should be: %v", name, v.Source, err)
			}
			if name == "grafana" && v.Target == *s.Environment["GRAFANA_DASHBOARDS"] {
				home := regexp.MustCompile(`= \$__env\{GRAFANA_DASHBOARDS\}/(.+)`).FindStringSubmatch(read(t, "grafana/grafana.ini"))
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
		if !used[name] {
			t.Errorf("nothing uses the volume %s", name)
		}
	}
}

// The variable chooses the transport, for both ends alike.
func TestTransport(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"pubsub", "stream"} {
		var environ []string
		if transport != "pubsub" {
			environ = []string{"REDIS_TRANSPORT=" + transport}
		}
		project := load(t, environ...)
		for _, name := range []string{"generator", "worker", "stream"} {
			if got := *project.Services[name].Environment["REDIS_TRANSPORT"]; got != transport {
				t.Errorf("%s: %s instead of %s", name, got, transport)
			}
		}
	}
}
