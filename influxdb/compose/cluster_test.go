package compose_test

import (
	"net/netip"
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
	project := project(t, nil, func(o *cli.ProjectOptions) error {
		over, err := filepath.Abs("cluster.yml")
		o.ConfigPaths = append(o.ConfigPaths, over)
		return err
	})
	addresses := make(map[string]string)
	subnet := netip.MustParsePrefix(project.Networks["default"].Ipam.Config[0].Subnet)
	each(t, project, func(t *testing.T, name string, s types.ServiceConfig) {
		wrong(t, len(s.CapDrop) == 0 || s.MemLimit == 0 || s.PidsLimit == 0 || s.Logging == nil,
			"has capabilities, or no limit of memory, processes and log")
		network := s.Networks["default"]
		if network == nil || network.Ipv4Address == "" {
			return
		}
		wrong(t, !subnet.Contains(netip.MustParseAddr(network.Ipv4Address)),
			"%s is not in %s", network.Ipv4Address, subnet)
		addresses[network.Ipv4Address+":6379"] = name
		command := strings.Join(s.Command, " ")
		for _, want := range []string{
			"--cluster-enabled yes", "--cluster-require-full-coverage no", "--appendonly yes", "noeviction",
		} {
			wrong(t, !strings.Contains(command, want),
				"%s is not started with %s: %s", name, want, command)
		}
		wrong(t, len(s.Volumes) != 1 || len(s.Ports) != 0,
			"volumes %v, ports %v", s.Volumes, s.Ports)
		wrong(t, project.Services["redis-cluster"].DependsOn[name].Condition != "service_healthy",
			"the cluster is formed before it is there")
	})
	create := strings.Join(project.Services["redis-cluster"].Command, " ")
	for address := range addresses {
		wrong(t, !strings.Contains(create, address),
			"%s is not in the cluster: %s", address, create)
	}
	wrong(t, len(addresses) != 6, "the nodes are %v", addresses)
	for _, name := range []string{"generator", "worker", "grafana"} {
		s := project.Services[name]
		for _, at := range regexp.MustCompile(`[\d.]+:6379`).FindAllString(*s.Environment["REDIS_URL"],
			-1) {
			wrong(t, addresses[at] == "", "%s: REDIS_URL names %s", name, at)
		}
		if *s.Environment["REDIS_TRANSPORT"] != "stream" || *s.Environment["REDIS_PARTITIONS"] != "8" ||
			s.DependsOn["redis-cluster"].Condition != "service_completed_successfully" {
			t.Errorf("%s: %v, %v", name, s.Environment, s.DependsOn)
		}
	}
	w := project.Services["worker"]
	wrong(t, len(w.Ports) > 0 || len(w.Volumes) != 1,
		"workers get in each other's way: ports %v, volumes %v", w.Ports, w.Volumes)
	scrape := *project.Services["influxdb-init"].Environment["INFLUX_SCRAPE"]
	wrong(t, !strings.Contains(scrape, ",worker-3=http://colorstream-worker-3:8051/metrics"),
		"InfluxDB does not read each worker's metrics: %s", scrape)
}

// TestKubernetesExample looks at what the example promises. Its schema was checked with k8s.io/api,
// which is too large for a test.
func TestKubernetesExample(t *testing.T) {
	t.Parallel()
	text := read(t, "worker/docs/kubernetes.yaml")
	variables := known(t, "worker")
	names := regexp.MustCompile(`\{name: ([A-Z_]+),`).FindAllStringSubmatch(text, -1)
	wrong(t, len(names) < 5, "variables %v", names)
	for _, match := range names {
		if !slices.ContainsFunc(variables, func(v variable) bool { return v.name == match[1] }) {
			t.Errorf("the worker has no variable %s", match[1])
		}
	}
	for _, want := range []string{
		"kind: Deployment\n", "kind: PodDisruptionBudget\n", "readOnlyRootFilesystem: true",
		"runAsNonRoot: true", "value: stream", "path: /healthz",
	} {
		wrong(t, !strings.Contains(text, want), "it has no %q", want)
	}
	objects := strings.Count(text, "\nkind:")
	wrong(t, strings.Contains(text, "persistentVolumeClaim") || objects != 2,
		"it has a volume, or other objects")
}
