package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// summary tells where to look, and how to look inside.
func (s *stack) summary() []string {
	lines := []string{"", "Colorstream runs."}
	add := func(name, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("  %-9s ", name)+fmt.Sprintf(format, args...))
	}
	add("page", "http://%s", reach(s.DashboardAddr))
	switch {
	case s.grafana.ours:
		add("Grafana", "%s", s.GrafanaURL)
	case s.grafana.note != "":
		add("Grafana", "%s", s.grafana.note)
	default:
		add("Grafana", "%s (not started here)", s.GrafanaURL)
	}
	add("InfluxDB", "%s (an API, no pages); user %s, password in INFLUX_ADMIN_PASSWORD, else adminpassword%s", s.InfluxURL, s.InfluxUser, elsewhere(s.influx))
	add("Redis", "%s%s", redacted(s.RedisURL), elsewhere(s.redis))
	if s.redis.note != "" {
		add("", "%s", s.redis.note)
	}
	add("data", "%s", near(s.Data))
	lines = append(lines, "Look inside:")
	lines = append(lines,
		fmt.Sprintf("  redis-cli -u %s subscribe %s", redacted(s.RedisURL), s.RedisChannel),
		fmt.Sprintf("  curl -s http://%s/latest", reach(s.DashboardAddr)),
		fmt.Sprintf(`  curl -s %s/api/v2/query?org=%s -H "Authorization: Token $(cat %s)" -H "Content-Type: application/vnd.flux" -d 'from(bucket: %q) |> range(start: -1m)'`,
			strings.TrimRight(s.InfluxURL, "/"), url.QueryEscape(s.InfluxOrg), near(filepath.Join(s.tokenDir(), "dashboard")), s.InfluxBucket),
		"Ctrl-C stops it all, as does `make stop` elsewhere.", "")
	return lines
}

func elsewhere(s server) string {
	if s.ours {
		return ""
	}
	return " (not started here)"
}

// redacted is an address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "REDIS_URL"
	}
	return u.Redacted()
}

// near shortens a path that lies in the working folder.
func near(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}
