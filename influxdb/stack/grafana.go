package main

import (
	"cmp"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"colorstream/generator/process"
)

// findGrafana looks for an installed Grafana: in GRAFANA_HOME, else on the PATH.
func (s *stack) findGrafana() {
	s.grafana.listen, s.grafana.ours = s.ours("grafana", s.GrafanaURL, "3000")
	if !s.grafana.ours {
		return
	}
	if s.GrafanaHome != "" {
		s.grafana.path = filepath.Join(s.GrafanaHome, "bin", "grafana")
	} else if path, err := exec.LookPath("grafana"); err == nil {
		s.grafana.path = path
		s.GrafanaHome = grafanaHome(path)
	}
	if _, err := os.Stat(s.grafana.path); err != nil || s.GrafanaHome == "" {
		s.grafana.ours = false
		s.grafana.note = "not installed: the page draws its own chart (with Grafana unpacked somewhere, set GRAFANA_HOME to that folder)"
	}
}

// grafanaHome finds the folder with Grafana's defaults and web pages for a program on the PATH: that of an
// unpacked archive, or where packages put it.
func grafanaHome(program string) string {
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	prefix := filepath.Dir(filepath.Dir(program))
	for _, home := range []string{prefix, filepath.Join(prefix, "share", "grafana"), "/usr/share/grafana"} {
		if _, err := os.Stat(filepath.Join(home, "conf", "defaults.ini")); err == nil {
			return home
		}
	}
	return ""
}

// either gives a variable's value, or another if it is unset or empty.
func (s *stack) either(variable, otherwise string) string {
	return cmp.Or(s.process.Environ[variable], otherwise)
}

// grafanaPart runs Grafana with the files of the folder grafana, open to everyone on this machine as a viewer.
// What the user sets in GF_ variables wins.
func (s *stack) grafanaPart() (part, error) {
	folder := filepath.Join(s.Data, "grafana")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return part{}, err
	}
	host, port, err := net.SplitHostPort(s.grafana.listen)
	if err != nil {
		return part{}, err
	}
	dashboards := filepath.Join(s.root, "grafana", "dashboards")
	set := map[string]string{
		"GF_PATHS_DATA":         folder,
		"GF_PATHS_LOGS":         filepath.Join(folder, "log"),
		"GF_PATHS_PLUGINS":      s.plugins(),
		"GF_PATHS_PROVISIONING": filepath.Join(s.root, "grafana", "provisioning"),
		"GF_SERVER_HTTP_ADDR":   host,
		"GF_SERVER_HTTP_PORT":   port,
		"GF_LOG_MODE":           "console",
		"GF_LOG_LEVEL":          "warn",

		"GF_AUTH_ANONYMOUS_ENABLED":          "true",
		"GF_AUTH_ANONYMOUS_ORG_NAME":         "Main Org.",
		"GF_AUTH_ANONYMOUS_ORG_ROLE":         "Viewer",
		"GF_AUTH_ANONYMOUS_HIDE_VERSION":     "true",
		"GF_SECURITY_ALLOW_EMBEDDING":        "false",
		"GF_USERS_ALLOW_SIGN_UP":             "false",
		"GF_DASHBOARDS_MIN_REFRESH_INTERVAL": "5s",
		"GF_PLUGINS_PREINSTALL_DISABLED":     "true",
		// Nobody but its makers could sign it. Grafana's log says at each start that it is not.
		"GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS": livePlugin,
		"GF_PLUGINS_PREINSTALL_AUTO_UPDATE":         "false",
		"GF_ANALYTICS_REPORTING_ENABLED":            "false",
		"GF_ANALYTICS_CHECK_FOR_UPDATES":            "false",
		"GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES":     "false",
		"GF_NEWS_NEWS_FEED_ENABLED":                 "false",
		"GF_SNAPSHOTS_EXTERNAL_ENABLED":             "false",
		"GF_SECURITY_DISABLE_GRAVATAR":              "true",

		"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": filepath.Join(dashboards, "colors.json"),

		// For the files in grafana/provisioning, which say what they are.
		"INFLUX_URL":    s.InfluxURL,
		"INFLUX_ORG":    s.InfluxOrg,
		"INFLUX_BUCKET": s.InfluxBucket,

		"INFLUX_PIPELINE_BUCKET": s.InfluxPipeline,
		"INFLUX_TOKEN":           "$__file{" + filepath.Join(s.tokenDir(), "grafana") + "}",
		"INFLUX_TOKEN_FILE":      "",
		"REDIS_URL":              s.RedisURL,
		"REDIS_CHANNEL":          s.RedisChannel,
		"REDIS_TRANSPORT":        s.either("REDIS_TRANSPORT", "pubsub"),
		"WORKER_WINDOW":          s.either("WORKER_WINDOW", "5s"),
		"WORKER_LATENESS":        s.either("WORKER_LATENESS", "0s"),
		"GRAFANA_DASHBOARDS":     dashboards,
	}
	for name := range set {
		if value := s.process.Environ[name]; value != "" && strings.HasPrefix(name, "GF_") {
			set[name] = value
		}
	}
	return part{
		name: "grafana", patience: grafanaPatience, grace: serverGrace,
		ready: answers("http://" + s.grafana.listen + "/api/health"),
		spec: process.Command{
			Path: s.grafana.path, Args: []string{"server", "--homepath", s.GrafanaHome}, Dir: s.GrafanaHome, Env: s.environ(set),
		},
	}, nil
}
