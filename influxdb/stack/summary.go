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
	page := "http://" + strings.Replace(reach(s.DashboardAddr), "127.0.0.1", "localhost", 1)
	add("page", "%s", page)
	user := cmp.Or(s.environ["GF_SECURITY_ADMIN_USER"], "admin")
	password := "admin, until you choose another there"
	if s.environ["GF_SECURITY_ADMIN_PASSWORD"] != "" {
		password = "that of GF_SECURITY_ADMIN_PASSWORD at its first start"
	}
	add("Grafana", "%s", cmp.Or(s.grafana.note, fmt.Sprintf(
		"%s%s, where everybody may look; to edit, log in: user %s, password %s",
		s.GrafanaURL, s.grafana.elsewhere(), user, password)))
	add("InfluxDB", "%s%s, an API without pages; user %s, password INFLUX_ADMIN_PASSWORD, else adminpassword",
		s.Influx.URL, s.influx.elsewhere(), s.InfluxUser)
	node := redacted(strings.SplitN(s.RedisURL, "?addr", 2)[0])
	inside, note := "subscribe "+s.RedisChannel, s.redis.note
	if s.environ["REDIS_TRANSPORT"] == "stream" {
		inside = "get " + s.RedisChannel + ":partitions"
	}
	if s.Cluster {
		inside = "cluster nodes"
		note = " and the five ports above it: a cluster of three masters and three replicas"
	}
	add("Redis", "%s%s%s", node, note, s.redis.elsewhere())
	if s.Workers > 1 {
		add("workers", "%d share %s partitions; http://%s/metrics and so on",
			s.Workers, s.environ["REDIS_PARTITIONS"], reach(s.workers[0]))
	}
	add("data", "%s", s.Data)
	add("logs", "%s, of the servers", filepath.Join(s.Data, "log"))
	lines = append(lines, "Look inside:",
		fmt.Sprintf("  redis-cli -u '%s' %s", node, inside),
		fmt.Sprintf("  curl -s %s/latest", page),
		fmt.Sprintf(`  curl -s '%s/api/v2/query?org=%s' -H "Authorization: Token $(cat '%s')" `+
			`-H 'Content-Type: application/vnd.flux' -d 'from(bucket: %q) |> range(start: -1m)'`,
			strings.TrimRight(s.Influx.URL, "/"), url.QueryEscape(s.Influx.Org),
			filepath.Join(s.tokens(), "dashboard"), s.Influx.Bucket),
		"Ctrl-C stops it all, as does `make stop` elsewhere.", "")
	return strings.Join(lines, "\n")
}

// elsewhere is what is said of a server that was not started here.
func (sv server) elsewhere() string {
	if sv.listen != "" {
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
