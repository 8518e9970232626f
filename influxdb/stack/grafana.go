package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// findGrafana looks for an installed Grafana: in GRAFANA_HOME, else on the PATH. All else runs
// without it; what was looked for is said.
func (s *stack) findGrafana() {
	if s.grafana.listen = s.local("grafana", s.GrafanaURL, "3000"); s.grafana.listen == "" {
		return
	}
	name, home := "grafana", ""
	if s.GrafanaHome != "" {
		name = filepath.Join(s.GrafanaHome, "bin", name)
	}
	path, err := exec.LookPath(name)
	if err == nil {
		home, err = grafanaHome(path, s.GrafanaHome)
	}
	if err != nil {
		s.grafana = server{note: fmt.Sprintf("not started (GRAFANA_HOME=%s): %v; "+
			"the page draws its own chart", s.GrafanaHome, err)}
		s.say("Grafana is %s", s.grafana.note)
		return
	}
	s.grafana.path, s.GrafanaHome = path, home
}

// grafanaHome is the folder with Grafana's defaults and web pages: the one that is set, else that
// of an unpacked archive, or where packages put it.
func grafanaHome(program, set string) (string, error) {
	homes := []string{set}
	if set == "" {
		if real, err := filepath.EvalSymlinks(program); err == nil {
			program = real
		}
		prefix := filepath.Dir(filepath.Dir(program))
		homes = []string{prefix, filepath.Join(prefix, "share", "grafana"), "/usr/share/grafana"}
	}
	for _, home := range homes {
		if _, err := os.Stat(filepath.Join(home, "conf", "defaults.ini")); err == nil {
			return home, nil
		}
	}
	return "", fmt.Errorf("%s is there, but not conf/defaults.ini in %s: set GRAFANA_HOME",
		program, strings.Join(homes, ", "))
}

// startGrafana runs Grafana with the files of the folder grafana.
func (s *stack) startGrafana(context.Context) error {
	files := func(name string) string { return filepath.Join(s.root, "grafana", name) }
	folder, plugins := filepath.Join(s.Data, "grafana"), filepath.Join(s.bin, "plugins")
	for _, dir := range []string{folder, plugins} { // Grafana logs an error where one is missing
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
	s.grafana.process, err = s.spawn(log, "grafana", map[string]string{
		"GF_PATHS_DATA": folder, "GF_PATHS_LOGS": filepath.Join(folder, "log"),
		"GF_PATHS_PLUGINS": plugins, "GF_PATHS_PROVISIONING": files("provisioning"),
		"GF_SERVER_HTTP_ADDR": host, "GF_SERVER_HTTP_PORT": port,
		// For the files in grafana/provisioning, which say what they are.
		"INFLUX_URL": s.Influx.URL, "INFLUX_ORG": s.Influx.Org, "INFLUX_BUCKET": s.Influx.Bucket,
		"INFLUX_PIPELINE_BUCKET": s.InfluxPipeline, "INFLUX_TOKEN_FILE": "",
		"INFLUX_TOKEN": inFile(filepath.Join(s.tokens(), "grafana")), "INFLUX_CA": inFile(s.Influx.CA),
		"INFLUX_CERT": inFile(s.Influx.Cert), "INFLUX_KEY": inFile(s.Influx.Key),
		"REDIS_URL": s.RedisURL, "REDIS_CHANNEL": s.RedisChannel,
		"REDIS_TRANSPORT":    cmp.Or(s.environ["REDIS_TRANSPORT"], "pubsub"),
		"WORKER_WINDOW":      cmp.Or(s.environ["WORKER_WINDOW"], "5s"),
		"WORKER_LATENESS":    s.environ["WORKER_LATENESS"],
		"WORKER_STATISTICS":  s.environ["WORKER_STATISTICS"],
		"GRAFANA_DASHBOARDS": files("dashboards"),
		"ALERT_WEBHOOK_URL":  s.environ["ALERT_WEBHOOK_URL"], "ALERT_WEBHOOK_SET": webhookSet,
	}, s.grafana.path, "server", "--homepath", s.GrafanaHome, "--config", files("grafana.ini"))
	return err
}

// inFile is a value that Grafana's provisioning reads from a file, or none.
func inFile(path string) string {
	if path == "" {
		return ""
	}
	return "$__file{" + path + "}"
}
