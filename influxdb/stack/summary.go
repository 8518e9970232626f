package main

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// summary says where to look, and how to look inside.
func (s *stack) summary() string {
	lines := []string{"", "Colorstream runs."}
	add := func(name, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("  %-9s ", name)+fmt.Sprintf(format, args...))
	}
	elsewhere := func(sv server) string {
		if sv.managed {
			return ""
		}
		return " (not started here)"
	}
	page := "http://" + strings.Replace(reach(s.DashboardAddr), "127.0.0.1", "localhost", 1)
	add("page", "%s", page)
	switch {
	case s.grafana.note != "":
		add("Grafana", "%s", s.grafana.note)
	case s.grafana.managed:
		password := "password admin, until you choose another there"
		if s.environ["GF_SECURITY_ADMIN_PASSWORD"] != "" {
			password = "password that of GF_SECURITY_ADMIN_PASSWORD at its first start"
		}
		add("Grafana", "%s, where everybody may look; to edit, log in: user %s, %s",
			s.GrafanaURL, cmp.Or(s.environ["GF_SECURITY_ADMIN_USER"], "admin"), password)
	default:
		add("Grafana", "%s (not started here)", s.GrafanaURL)
	}
	add("InfluxDB", "%s%s, an API without pages; user %s, password adminpassword, or INFLUX_ADMIN_PASSWORD's",
		s.InfluxURL, elsewhere(s.influx), s.InfluxUser)
	node := redacted(strings.SplitN(s.RedisURL, "?addr", 2)[0])
	if s.Cluster {
		add("Redis", "%s and the five ports above it: a cluster of three masters and three replicas", node)
	} else {
		add("Redis", "%s%s", redacted(s.RedisURL), elsewhere(s.redis))
	}
	if s.redis.note != "" {
		add("", "%s", s.redis.note)
	}
	if s.Workers > 1 {
		add("workers", "%d share %s partitions; http://%s/metrics and so on",
			s.Workers, s.environ["REDIS_PARTITIONS"], reach(s.workers[0]))
	}
	add("data", "%s", s.Data)
	add("logs", "%s, of the servers", filepath.Join(s.Data, "log"))
	inside := "subscribe " + s.RedisChannel
	if s.environ["REDIS_TRANSPORT"] == "stream" {
		inside = "get " + s.RedisChannel + ":partitions"
	}
	if s.Cluster {
		inside = "cluster nodes"
	}
	lines = append(lines, "Look inside:",
		fmt.Sprintf("  redis-cli -u '%s' %s", node, inside),
		fmt.Sprintf("  curl -s %s/latest", page),
		fmt.Sprintf(`  curl -s '%s/api/v2/query?org=%s' -H "Authorization: Token $(cat '%s')" `+
			`-H 'Content-Type: application/vnd.flux' -d 'from(bucket: %q) |> range(start: -1m)'`,
			strings.TrimRight(s.InfluxURL, "/"), url.QueryEscape(s.InfluxOrg),
			filepath.Join(s.tokens(), "dashboard"), s.InfluxBucket),
		"Ctrl-C stops it all, as does `make stop` elsewhere.", "")
	return strings.Join(lines, "\n")
}

// redacted is an address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "REDIS_URL"
	}
	return u.Redacted()
}
