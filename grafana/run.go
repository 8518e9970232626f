// Grafana looks after the dashboards and alert rules in this folder: it checks
// them, and brings what people changed in Grafana's pages back into the files.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"colorstream/generator/service"
	"colorstream/grafana/pull"
)

//go:generate go test -run TestVariables . -update-docs

// config is what both commands take.
type config struct {
	Dir      string `env:"GRAFANA_DIR" help:"the folder with dashboards/ and provisioning/; found by itself within the repository"`
	URL      string `env:"GRAFANA_URL" envDefault:"http://localhost:3000" help:"pull: where Grafana answers"`
	Token    string `env:"GRAFANA_TOKEN" secret:"true" help:"pull: a service account's token, if anonymous visitors may not look"`
	User     string `env:"GRAFANA_USER" help:"pull: or a user"`
	Password string `env:"GRAFANA_PASSWORD" secret:"true" help:"pull: and the user's password"`
}

func run(ctx context.Context, p service.Process) error {
	return service.Program{
		Name: "grafana", About: "grafana looks after the files in dashboards/ and provisioning/.",
		Config: config{},
		Commands: []service.Command{
			{Usage: "lint", Help: "check every dashboard and alert rule, and run their queries on a real InfluxDB", Run: service.Configured(lintFolder)},
			{Usage: "pull UID...", Help: "bring what was saved in Grafana's pages into the files; without a UID, all that are there already", Run: service.Configured(pullFolder)},
		},
	}.Run(ctx, p)
}

func lintFolder(ctx context.Context, p service.Process, c config) error {
	dir, err := folder(c.Dir)
	if err != nil {
		return err
	}
	return lintAll(ctx, p, dir)
}

func pullFolder(ctx context.Context, p service.Process, c config) error {
	dir, err := folder(c.Dir)
	if err != nil {
		return err
	}
	return pull.Run(ctx, p.Stdout, pull.Config{
		URL: c.URL, Token: c.Token, User: c.User, Password: c.Password,
		Dir: filepath.Join(dir, "dashboards"), Only: p.Args,
	})
}

// folder finds the one with the dashboards: the given one, this, or grafana
// under this.
func folder(given string) (string, error) {
	for _, dir := range []string{given, ".", "grafana"} {
		if dir == "" {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, "dashboards")); err == nil && info.IsDir() {
			return dir, nil
		}
		if dir == given {
			return "", service.Invalid("GRAFANA_DIR", given, "there is no folder dashboards in it")
		}
	}
	return "", fmt.Errorf("there is no folder dashboards here nor under grafana: set GRAFANA_DIR")
}
