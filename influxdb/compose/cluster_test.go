package compose_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// TestClusterFile loads cluster.yml over docker-compose.yml, as Docker Compose does.
func TestClusterFile(t *testing.T) {
	t.Parallel()
	base, err := filepath.Abs(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	over := filepath.Join(filepath.Dir(base), "influxdb/compose/cluster.yml")
	opts, err := cli.NewProjectOptions([]string{base, over},
		cli.WithWorkingDirectory(filepath.Dir(base)), cli.WithResolvedPaths(true), cli.WithEnv(nil))
	if err != nil {
		t.Fatal(err)
	}
	project, err := opts.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	addresses := make(map[string]string)
	subnet := netip.MustParsePrefix(project.Networks["default"].Ipam.Config[0].Subnet)
	each(t, project, func(t *testing.T, name string, s types.ServiceConfig) {
		if len(s.CapDrop) == 0 || s.MemLimit == 0 || s.PidsLimit == 0 || s.Logging == nil {
			t.Error("has capabilities, or no limit of memory, processes and log")
		}
		network := s.Networks["default"]
		if network == nil || network.Ipv4Address == "" {
			return
		}
		if !subnet.Contains(netip.MustParseAddr(network.Ipv4Address)) {
			t.Errorf("%s is not in %s", network.Ipv4Address, subnet)
		}
		addresses[network.Ipv4Address+":6379"] = name
		command := strings.Join(s.Command, " ")
		for _, want := range []string{
			"--cluster-enabled yes", "--cluster-require-full-coverage no", "--appendonly yes", "noeviction",
		} {
			if !strings.Contains(command, want) {
				t.Errorf("%s is not started with %s: %s", name, want, command)
			}
		}
		if len(s.Volumes) != 1 || len(s.Ports) != 0 {
			t.Errorf("volumes %v, ports %v", s.Volumes, s.Ports)
		}
		if project.Services["redis-cluster"].DependsOn[name].Condition != "service_healthy" {
			t.Error("the cluster is formed before it is there")
		}
	})
	create := strings.Join(project.Services["redis-cluster"].Command, " ")
	for address := range addresses {
		if !strings.Contains(create, address) {
			t.Errorf("%s is not in the cluster: %s", address, create)
		}
	}
	if len(addresses) != 6 {
		t.Errorf("the nodes are %v", addresses)
	}
	for _, name := range []string{"generator", "worker", "grafana"} {
		s := project.Services[name]
		for _, at := range regexp.MustCompile(`[\d.]+:6379`).FindAllString(*s.Environment["REDIS_URL"], -1) {
			if addresses[at] == "" {
				t.Errorf("%s: REDIS_URL names %s", name, at)
			}
		}
		if *s.Environment["REDIS_TRANSPORT"] != "stream" || *s.Environment["REDIS_PARTITIONS"] != "8" ||
			s.DependsOn["redis-cluster"].Condition != "service_completed_successfully" {
			t.Errorf("%s: %v, %v", name, s.Environment, s.DependsOn)
		}
	}
	if w := project.Services["worker"]; len(w.Ports) > 0 || len(w.Volumes) != 1 {
		t.Errorf("workers get in each other's way: ports %v, volumes %v", w.Ports, w.Volumes)
	}
	scrape := *project.Services["influxdb-init"].Environment["INFLUX_SCRAPE"]
	if !strings.Contains(scrape, ",worker-3=http://colorstream-worker-3:8051/metrics") {
		t.Errorf("InfluxDB does not read each worker's metrics: %s", scrape)
	}
}

// TestKubernetesExample looks at what the example promises. Its schema was checked with k8s.io/api,
// which is too large for a test.
func TestKubernetesExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "worker/docs/kubernetes.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	variables := known(t, "worker")
	names := regexp.MustCompile(`\{name: ([A-Z_]+),`).FindAllStringSubmatch(string(text), -1)
	if len(names) < 5 {
		t.Errorf("variables %v", names)
	}
	for _, match := range names {
		if !slices.ContainsFunc(variables, func(v variable) bool { return v.name == match[1] }) {
			t.Errorf("the worker has no variable %s", match[1])
		}
	}
	for _, want := range []string{
		"kind: Deployment\n", "kind: PodDisruptionBudget\n", "readOnlyRootFilesystem: true",
		"runAsNonRoot: true", "value: stream", "path: /healthz",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("it has no %q", want)
		}
	}
	objects := strings.Count(string(text), "\nkind:")
	if strings.Contains(string(text), "persistentVolumeClaim") || objects != 2 {
		t.Error("it has a volume, or other objects")
	}
}
