package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// livePlugin is the data source in grafana/plugin.
const livePlugin = "colorstream-live-datasource"

// findGrafana looks for an installed Grafana: in GRAFANA_HOME, else on the PATH. All else runs
// without it; what was looked for is said.
func (s *stack) findGrafana() {
	s.grafana.listen, s.grafana.managed = s.local("grafana", s.GrafanaURL, "3000")
	if !s.grafana.managed {
		return
	}
	var err error
	if s.GrafanaHome != "" {
		s.grafana.path = filepath.Join(s.GrafanaHome, "bin", "grafana")
		for _, file := range []string{s.grafana.path, defaults(s.GrafanaHome)} {
			if _, missing := os.Stat(file); missing != nil && err == nil {
				err = fmt.Errorf("GRAFANA_HOME=%s is not Grafana's folder: there is no %s", s.GrafanaHome, file)
			}
		}
	} else if s.grafana.path, err = exec.LookPath("grafana"); err != nil {
		err = errors.New("there is no program grafana on the PATH, and GRAFANA_HOME, " +
			"the folder that has it as bin/grafana, is not set")
	} else {
		s.GrafanaHome, err = grafanaHome(s.grafana.path)
	}
	if err != nil {
		s.grafana.managed = false
		s.grafana.note = fmt.Sprintf("not started: %v; the page draws its own chart", err)
		s.out.say("Grafana is %s", s.grafana.note)
	}
}

// defaults is a file that every Grafana's home has.
func defaults(home string) string { return filepath.Join(home, "conf", "defaults.ini") }

// grafanaHome finds the folder with Grafana's defaults and web pages for a program on the PATH:
// that of an unpacked archive, or where packages put it.
func grafanaHome(program string) (string, error) {
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	prefix := filepath.Dir(filepath.Dir(program))
	homes := []string{prefix, filepath.Join(prefix, "share", "grafana"), "/usr/share/grafana"}
	for _, home := range homes {
		if _, err := os.Stat(defaults(home)); err == nil {
			return home, nil
		}
	}
	return "", fmt.Errorf("%s is there, but none of %s has its conf/defaults.ini: set GRAFANA_HOME",
		program, strings.Join(homes, ", "))
}

// startGrafana runs Grafana with the files of the folder grafana.
func (s *stack) startGrafana(context.Context) error {
	files := func(name string) string { return filepath.Join(s.root, "grafana", name) }
	folder := filepath.Join(s.Data, "grafana")
	for _, dir := range []string{folder, s.plugins()} { // Grafana logs an error where one is missing
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	host, port, err := net.SplitHostPort(s.grafana.listen)
	if err != nil {
		return err
	}
	webhookSet := ""
	if s.environ["ALERT_WEBHOOK_URL"] != "" {
		webhookSet = "yes"
	}
	log, err := s.log("grafana")
	if err != nil {
		return err
	}
	s.grafana.process, err = s.spawn(log, map[string]string{
		"GF_PATHS_DATA": folder, "GF_PATHS_LOGS": filepath.Join(folder, "log"),
		"GF_PATHS_PLUGINS": s.plugins(), "GF_PATHS_PROVISIONING": files("provisioning"),
		"GF_SERVER_HTTP_ADDR": host, "GF_SERVER_HTTP_PORT": port,
		// For the files in grafana/provisioning, which say what they are.
		"INFLUX_URL": s.InfluxURL, "INFLUX_ORG": s.InfluxOrg, "INFLUX_BUCKET": s.InfluxBucket,
		"INFLUX_PIPELINE_BUCKET": s.InfluxPipeline, "INFLUX_TOKEN_FILE": "",
		"INFLUX_TOKEN": inFile(filepath.Join(s.tokens(), "grafana")),
		"INFLUX_CA":    inFile(s.environ["INFLUX_CA_FILE"]),
		"INFLUX_CERT":  inFile(s.environ["INFLUX_CERT_FILE"]),
		"INFLUX_KEY":   inFile(s.environ["INFLUX_KEY_FILE"]),
		"REDIS_URL":    s.RedisURL, "REDIS_CHANNEL": s.RedisChannel,
		"REDIS_TRANSPORT":    cmp.Or(s.environ["REDIS_TRANSPORT"], "pubsub"),
		"WORKER_WINDOW":      cmp.Or(s.environ["WORKER_WINDOW"], "5s"),
		"WORKER_LATENESS":    s.environ["WORKER_LATENESS"],
		"GRAFANA_DASHBOARDS": files("dashboards"),
		"ALERT_WEBHOOK_URL":  s.environ["ALERT_WEBHOOK_URL"], "ALERT_WEBHOOK_SET": webhookSet,
	}, s.grafana.path, "server", "--homepath", s.GrafanaHome, "--config", files("grafana.ini"))
	if err == nil {
		s.children = append(s.children, child{"grafana", s.grafana.process})
	}
	return err
}

// inFile is a value that Grafana's provisioning reads from a file, or none.
func inFile(path string) string {
	if path == "" {
		return ""
	}
	return "$__file{" + path + "}"
}

// plugins is the folder that Grafana loads plugins from.
func (s *stack) plugins() string { return filepath.Join(s.bin, "plugins") }

// installPlugin builds the live data source and puts it there. All but the live dashboard works
// without it, so a failure is only said.
func (s *stack) installPlugin(ctx context.Context) error {
	program, folder := filepath.Join(s.bin, "live"), filepath.Join(s.plugins(), livePlugin)
	if _, missing := os.Stat(program); missing != nil {
		s.out.say("building Grafana's live data source, which takes a few minutes the first time")
	}
	err := s.goBuild(ctx, program, "-ldflags=-s -w", "./grafana/plugin")
	if err == nil {
		err = errors.Join(os.RemoveAll(folder),
			os.CopyFS(folder, os.DirFS(filepath.Join(s.root, "grafana", "plugin", "web"))),
			os.Link(program, filepath.Join(folder, "gpx_colorstream_live_"+runtime.GOOS+"_"+runtime.GOARCH)))
	}
	if err != nil && ctx.Err() == nil {
		s.out.say("Grafana has no live data source, and its live dashboard stays empty: %v", err)
	}
	return ctx.Err()
}
