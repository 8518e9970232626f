// Package compose holds docker-compose.yml, .env.example and the Dockerfiles to what they promise:
// the files are loaded as Docker Compose loads them, by its own library. It starts no container and
// reaches no network.
package compose_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// root is the repository, from here.
const root = "../.."

// ours are the services whose programs are in this repository, and the folders of their sources.
var ours = map[string]string{
	"generator": "generator", "worker": "worker", "dashboard": "dashboard",
	"influxdb-init": "influxdb",
}

// oneShots end by themselves.
var oneShots = []string{"dotenv", "influxdb-init", "stream", "import"}

// options loads the file alone: neither a .env nor the environment of the test plays a part.
func options(t *testing.T, environ []string, more ...cli.ProjectOptionsFn) *cli.ProjectOptions {
	t.Helper()
	file, err := filepath.Abs(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	opts, err := cli.NewProjectOptions([]string{file}, append([]cli.ProjectOptionsFn{
		cli.WithWorkingDirectory(filepath.Dir(file)), cli.WithResolvedPaths(true), cli.WithEnv(environ),
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return opts
}

// project loads the file. That checks it against the schema, and that all services, volumes and
// secrets that it speaks of exist.
func project(t *testing.T, environ []string, more ...cli.ProjectOptionsFn) *types.Project {
	t.Helper()
	project, err := options(t, environ, more...).LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// load gives the whole project, with the services of every profile.
func load(t *testing.T, environ ...string) *types.Project {
	t.Helper()
	return project(t, environ, cli.WithProfiles([]string{"*"}))
}

// each runs a test for every service.
func each(
	t *testing.T, project *types.Project,
	test func(t *testing.T, name string, service types.ServiceConfig),
) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(project.Services)) {
		t.Run(name, func(t *testing.T) { test(t, name, project.Services[name]) })
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wrong reports a problem where a condition holds.
func wrong(t *testing.T, is bool, format string, args ...any) {
	t.Helper()
	if is {
		t.Errorf(format, args...)
	}
}
