package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"colorstream/grafana/grafanatest"
	"colorstream/grafana/sample"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

// hook is a webhook that remembers what it was told.
type hook struct {
	mu   sync.Mutex
	told map[string]string // an alert's title → CRITICAL or RECOVERY
	text map[string]string // an alert's title → what it said while it fired
}

// newHook starts one, and gives its address.
func newHook(t *testing.T) (h *hook, url string) {
	h = &hook{told: map[string]string{}, text: map[string]string{}}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, server.URL
}

func (h *hook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var message struct {
		Type  string `json:"message_type"`
		Title string `json:"entity_display_name"`
		Text  string `json:"state_message"`
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &message)
	h.mu.Lock()
	defer h.mu.Unlock()
	name, _, _ := strings.Cut(message.Title, ":")
	h.told[name] = message.Type
	if message.Type == "CRITICAL" {
		h.text[name] = message.Text
	}
}

func (h *hook) want(want map[string]string) func() error {
	return func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !maps.Equal(h.told, want) {
			return fmt.Errorf("the webhook was told %v, want %v", h.told, want)
		}
		return nil
	}
}

// quicker makes rules fire after seconds, not a minute. Their queries and thresholds stay.
func quicker(t *testing.T) func(dir string) {
	change := strings.NewReplacer("interval: 30s", "interval: 10s", "for: 30s", "for: 10s")
	return func(dir string) {
		for _, name := range []string{"rules.yaml", "pipeline.yaml"} {
			path := filepath.Join(dir, "alerting", name)
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, []byte(change.Replace(string(text))), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A rule is one as Grafana shows it.
type rule struct{ Folder, Name, State, Health, LastError string }

func rules(g *grafanatest.Server) (out []rule, err error) {
	var answer struct {
		Data struct {
			Groups []struct {
				File  string
				Rules []rule
			}
		}
	}
	_, err = g.GetAdmin("/api/prometheus/grafana/api/v1/rules", &answer)
	for _, group := range answer.Data.Groups {
		for _, r := range group.Rules {
			r.Folder = group.File
			out = append(out, r)
		}
	}
	return out, err
}

// states returns each rule's state.
func states(g *grafanatest.Server) (map[string]string, error) {
	all, err := rules(g)
	out := map[string]string{}
	for _, r := range all {
		out[r.Name] = r.State
		if r.Health == "error" {
			return nil, fmt.Errorf("rule %q: %s", r.Name, r.LastError)
		}
	}
	return out, err
}

var ruleNames = []string{"A colour has gone silent", "Many windows are not complete", "No windows are written"}

func allIn(g *grafanatest.Server, state string) func() error {
	return func() error {
		got, err := states(g)
		if err != nil {
			return err
		}
		for _, name := range ruleNames {
			if got[name] != state {
				return fmt.Errorf("rules are %v, want all %s", got, state)
			}
		}
		return nil
	}
}

// window is one point of a colour, some time ago.
func window(color string, ago time.Duration, complete bool) series.Point {
	return series.Point{
		Color: color, Start: time.Now().Add(-ago).Truncate(5 * time.Second), Complete: complete,
		Statistics: series.DefaultStatistics(), Values: []float64{50, 50, 1, 99}, Count: 3,
	}
}

func TestAlertsFireAndRecover(t *testing.T) {
	t.Parallel()
	h, url := newHook(t)
	db := influxtest.Shared(t).NewBucket(t)
	g := grafanatest.Start(t, grafanatest.Options{Influx: db, Webhook: url + "/alerts", Edit: quicker(t)})
	write := func(points ...series.Point) {
		t.Helper()
		db.Write(t, string(sample.Lines(points)))
	}

	// Nothing was ever written: nothing is wrong.
	grafanatest.Eventually(t, 60*time.Second, allIn(g, "inactive"))

	// Red stopped ten minutes ago, all of it over a minute ago, a fifth is incomplete.
	var broken []series.Point
	for i := range 20 {
		broken = append(broken, window("blue", 70*time.Second+time.Duration(i)*5*time.Second, i%5 != 0))
	}
	write(append(broken, window("red", 9*time.Minute, true))...)
	grafanatest.Eventually(t, 90*time.Second, allIn(g, "firing"))
	grafanatest.Eventually(t, 60*time.Second, h.want(map[string]string{
		"A colour has gone silent": "CRITICAL", "No windows are written": "CRITICAL", "Many windows are not complete": "CRITICAL",
	}))
	h.mu.Lock()
	for name, words := range map[string]string{
		"A colour has gone silent": "No messages of colour red while", "No windows are written": "has written no window for ",
		"Many windows are not complete": "% of the last ten minutes",
	} {
		if !strings.Contains(h.text[name], words) {
			t.Errorf("%s says %q, want %q in it", name, h.text[name], words)
		}
	}
	h.mu.Unlock()

	// Everything comes back: the same windows, written again, are complete now.
	for i := range broken {
		broken[i].Complete = true
	}
	write(broken...)
	grafanatest.Eventually(t, 120*time.Second, func() error {
		write(window("red", 0, true), window("blue", 0, true))
		return allIn(g, "inactive")()
	})
	grafanatest.Eventually(t, 120*time.Second, func() error {
		write(window("red", 0, true), window("blue", 0, true))
		return h.want(map[string]string{
			"A colour has gone silent": "RECOVERY", "No windows are written": "RECOVERY", "Many windows are not complete": "RECOVERY",
		})()
	})
	wantNoSecrets(t, g, url, strings.TrimPrefix(url, "http://"),
		db.GrafanaToken, grafanatest.AdminPassword)
	if strings.Contains(g.Warnings(), "Error in expanding template") {
		t.Errorf("templates fail:\n%s", g.Warnings())
	}
}

// A stopped InfluxDB is said once, in whole sentences, and its end too.
func TestInfluxDBAwayIsOneAlert(t *testing.T) {
	t.Parallel()
	h, url := newHook(t)
	db := influxtest.Start(t)
	g := grafanatest.Start(t, grafanatest.Options{Influx: db, Webhook: url, Edit: quicker(t)})
	healthy := newStack(func(*round) {})
	db.Write(t, healthy.history(rounds, time.Now()))
	grafanatest.Eventually(t, 60*time.Second, allIn(g, "inactive"))

	db.Stop(t)
	const title = "No windows are written"
	grafanatest.Eventually(t, 120*time.Second, h.want(map[string]string{title: "CRITICAL"}))
	time.Sleep(30 * time.Second) // the other rules were asked three times more
	if err := h.want(map[string]string{title: "CRITICAL"})(); err != nil {
		t.Error(err)
	}
	h.mu.Lock()
	if text := h.text[title]; !strings.Contains(text, "InfluxDB does not answer") || strings.Contains(text, "no value") {
		t.Errorf("it says %q", text)
	}
	h.mu.Unlock()

	db.Restart(t)
	grafanatest.Eventually(t, 150*time.Second, func() error {
		db.Write(t, healthy.next(time.Now()))
		return h.want(map[string]string{title: "RECOVERY"})()
	})
}

// visible is what an anonymous visitor may read, and hidden what not.
var (
	visible = []string{
		"/api/search", "/api/dashboards/uid/colors", "/api/frontend/settings", "/api/annotations",
		"/api/datasources", "/api/datasources/uid/colorstream-influxdb",
		"/api/prometheus/grafana/api/v1/rules", "/api/alertmanager/grafana/api/v2/alerts",
		"/api/alertmanager/grafana/config/api/v1/alerts", "/api/alertmanager/grafana/config/api/v1/receivers",
		"/api/alertmanager/grafana/config/history",
		"/api/v1/provisioning/contact-points", "/api/v1/provisioning/policies",
		"/apis/notifications.alerting.grafana.app/v0alpha1/namespaces/default/receivers",
		"/apis/notifications.alerting.grafana.app/v0alpha1/namespaces/default/routingtrees",
	}
	hidden = []string{
		"/api/admin/settings", "/api/org/users", "/api/users", "/api/serviceaccounts/search", "/api/auth/keys",
		"/api/v1/provisioning/contact-points/export?decrypt=true",
	}
)

// wantNoSecrets reads what an anonymous visitor can: no secret is in it. Notification settings are,
// since every Viewer may read them, but with their addresses taken out.
func wantNoSecrets(t *testing.T, g *grafanatest.Server, secrets ...string) {
	t.Helper()
	for _, path := range append(slices.Clone(visible), hidden...) {
		var answer json.RawMessage
		status, err := g.Get(path, &answer)
		if want := slices.Contains(visible, path); want != (status == http.StatusOK) {
			t.Errorf("an anonymous visitor reads %s: status %d, %v", path, status, err)
		}
		for _, secret := range secrets {
			if bytes.Contains(answer, []byte(secret)) {
				t.Errorf("an anonymous visitor finds %q in %s", secret, path)
			}
		}
	}
}

// Without a webhook, alerts are seen in Grafana and nothing is tried.
func TestNobodyIsToldWithoutAWebhook(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	g := grafanatest.Start(t, grafanatest.Options{Influx: db, Edit: quicker(t)})
	var broken []series.Point
	for i := range 5 {
		broken = append(broken, window("blue", 5*time.Minute+time.Duration(i)*5*time.Second, false))
	}
	db.Write(t, string(sample.Lines(broken)))
	grafanatest.Eventually(t, 90*time.Second, func() error {
		got, err := states(g)
		if err == nil && (got["No windows are written"] != "firing" || got["Many windows are not complete"] != "firing") {
			err = fmt.Errorf("rules are %v", got)
		}
		return err
	})
	// The alert reaches the silenced route within the group's wait.
	type alert struct {
		Status struct{ State string }
		Labels map[string]string
	}
	var alerts []alert
	grafanatest.Eventually(t, 60*time.Second, func() error {
		if _, err := g.GetAdmin("/api/alertmanager/grafana/api/v2/alerts", &alerts); err != nil {
			return err
		}
		if !slices.ContainsFunc(alerts, func(a alert) bool { return a.Labels["alertname"] == "No windows are written" }) {
			return fmt.Errorf("the alert is not with the alertmanager yet: %v", alerts)
		}
		return nil
	})
	var receivers []struct {
		Name         string
		Integrations []struct {
			LastNotifyAttempt      time.Time
			LastNotifyAttemptError string
		}
	}
	deadline := time.Now().Add(25 * time.Second) // twice the group's wait
	for time.Now().Before(deadline) {
		if _, err := g.GetAdmin("/api/alertmanager/grafana/config/api/v1/receivers", &receivers); err != nil {
			t.Fatal(err)
		}
		for _, r := range receivers {
			for _, i := range r.Integrations {
				if i.LastNotifyAttemptError != "" || i.LastNotifyAttempt.Year() > 2000 {
					t.Fatalf("%s was notified at %v: %s", r.Name, i.LastNotifyAttempt, i.LastNotifyAttemptError)
				}
			}
		}
		time.Sleep(time.Second)
	}
	if strings.Contains(g.Warnings(), "Notify") {
		t.Errorf("Grafana tried to notify:\n%s", g.Warnings())
	}
}
