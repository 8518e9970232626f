package main

import (
	"bytes"
	"encoding/json"
	"errors"
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
	t.Helper()
	grafanatest.Need(t)
	h = &hook{told: map[string]string{}, text: map[string]string{}}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, server.URL
}

// said is what an alert said while it fired.
func (h *hook) said(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text[name]
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

// want wants that it was told of these alerts one thing, and of no others.
func (h *hook) want(kind string, names ...string) func() error {
	return func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		want := map[string]string{}
		for _, name := range names {
			want[name] = kind
		}
		if !maps.Equal(h.told, want) {
			return fmt.Errorf("the webhook was told %v, want %v", h.told, want)
		}
		return nil
	}
}

// startQuick starts a Grafana whose rules fire after seconds, not a minute. Their queries and
// thresholds stay.
func startQuick(t *testing.T, db *influxtest.Server, environ ...string) *grafanatest.Server {
	t.Helper()
	change := strings.NewReplacer("interval: 30s", "interval: 10s", "for: 30s", "for: 10s")
	return grafanatest.Start(t, grafanatest.Options{
		Influx: db, Environ: environ,
		Edit: func(dir string) {
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
		},
	})
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
	_, err = g.Call(true, http.MethodGet, "/api/prometheus/grafana/api/v1/rules", nil, &answer)
	for _, group := range answer.Data.Groups {
		for _, r := range group.Rules {
			r.Folder = group.File
			out = append(out, r)
		}
	}
	return out, err
}

// What the alerts on the colours are called.
const (
	silentColor = "A colour has gone silent"
	incomplete  = "Many windows are not complete"
	noWindows   = "No windows are written"
)

// allIn wants that rules are in a state: without names, the three on the colours.
func allIn(g *grafanatest.Server, state string, names ...string) func() error {
	if names == nil {
		names = []string{silentColor, incomplete, noWindows}
	}
	return func() error {
		all, err := rules(g)
		for _, r := range all {
			if r.Health == "error" {
				return fmt.Errorf("rule %q: %s", r.Name, r.LastError)
			}
			if slices.Contains(names, r.Name) && r.State != state {
				return fmt.Errorf("rules are %v, want %v %s", all, names, state)
			}
		}
		if len(all) == 0 && err == nil {
			err = errors.New("there are no rules yet")
		}
		return err
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
	g := startQuick(t, db, "ALERT_WEBHOOK_URL="+url+"/alerts", "ALERT_WEBHOOK_SET=yes")
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
	grafanatest.Eventually(t, 60*time.Second, h.want("CRITICAL", silentColor, incomplete, noWindows))
	for name, words := range map[string]string{
		silentColor: "No messages of colour red while", noWindows: "has written no window for ",
		incomplete: "% of the last ten minutes",
	} {
		if text := h.said(name); !strings.Contains(text, words) {
			t.Errorf("%s says %q, want %q in it", name, text, words)
		}
	}

	// Everything comes back: the same windows, written again, are complete now.
	for i := range broken {
		broken[i].Complete = true
	}
	write(broken...)
	for _, recovered := range []func() error{
		allIn(g, "inactive"), h.want("RECOVERY", silentColor, incomplete, noWindows),
	} {
		grafanatest.Eventually(t, 120*time.Second, func() error {
			write(window("red", 0, true), window("blue", 0, true))
			return recovered()
		})
	}
	wantNoSecrets(t, g, strings.TrimPrefix(url, "http://"), db.GrafanaToken, grafanatest.AdminPassword)
	if strings.Contains(g.Warnings(), "Error in expanding template") {
		t.Errorf("templates fail:\n%s", g.Warnings())
	}
}

// A stopped InfluxDB is said once, in whole sentences, and its end too.
func TestInfluxDBAwayIsOneAlert(t *testing.T) {
	t.Parallel()
	h, url := newHook(t)
	db := influxtest.Start(t)
	g := startQuick(t, db, "ALERT_WEBHOOK_URL="+url, "ALERT_WEBHOOK_SET=yes")
	healthy := newStack(fault{})
	db.Write(t, healthy.history(rounds, time.Now()))
	grafanatest.Eventually(t, 60*time.Second, allIn(g, "inactive"))

	db.Stop(t)
	grafanatest.Eventually(t, 120*time.Second, h.want("CRITICAL", noWindows))
	time.Sleep(30 * time.Second) // the other rules were asked three times more
	if err := h.want("CRITICAL", noWindows)(); err != nil {
		t.Error(err)
	}
	text := h.said(noWindows)
	if !strings.Contains(text, "InfluxDB does not answer") || strings.Contains(text, "no value") {
		t.Errorf("it says %q", text)
	}
	db.Restart(t)
	grafanatest.Eventually(t, 150*time.Second, func() error {
		db.Write(t, healthy.next(time.Now()))
		return h.want("RECOVERY", noWindows)()
	})
}

// visible is what an anonymous visitor may read, and hidden what not.
var (
	visible = []string{
		"/api/search", "/api/dashboards/uid/colors", "/api/frontend/settings", "/api/annotations",
		"/api/datasources", "/api/datasources/uid/colorstream-influxdb",
		"/api/prometheus/grafana/api/v1/rules", "/api/alertmanager/grafana/api/v2/alerts",
		"/api/alertmanager/grafana/config/api/v1/alerts",
		"/api/alertmanager/grafana/config/api/v1/receivers", "/api/alertmanager/grafana/config/history",
		"/api/v1/provisioning/contact-points", "/api/v1/provisioning/policies",
		"/apis/notifications.alerting.grafana.app/v0alpha1/namespaces/default/receivers",
		"/apis/notifications.alerting.grafana.app/v0alpha1/namespaces/default/routingtrees",
	}
	hidden = []string{
		"/api/admin/settings", "/api/org/users", "/api/users", "/api/serviceaccounts/search",
		"/api/auth/keys", "/api/v1/provisioning/contact-points/export?decrypt=true",
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
	grafanatest.Need(t)
	db := influxtest.Shared(t).NewBucket(t)
	g := startQuick(t, db)
	var broken []series.Point
	for i := range 5 {
		broken = append(broken, window("blue", 5*time.Minute+time.Duration(i)*5*time.Second, false))
	}
	db.Write(t, string(sample.Lines(broken)))
	grafanatest.Eventually(t, 90*time.Second, allIn(g, "firing", noWindows, incomplete))
	// The alert reaches the silenced route within the group's wait.
	grafanatest.Eventually(t, 60*time.Second, func() error {
		var alerts []struct{ Labels map[string]string }
		_, err := g.Call(true, http.MethodGet, "/api/alertmanager/grafana/api/v2/alerts", nil, &alerts)
		for _, a := range alerts {
			if a.Labels["alertname"] == noWindows {
				return nil
			}
		}
		return errors.Join(err, fmt.Errorf("the alert is not with the alertmanager yet: %v", alerts))
	})
	time.Sleep(25 * time.Second) // twice the group's wait
	var receivers []struct {
		Name         string
		Integrations []struct {
			LastNotifyAttempt      time.Time
			LastNotifyAttemptError string
		}
	}
	_, err := g.Call(true, http.MethodGet, "/api/alertmanager/grafana/config/api/v1/receivers", nil,
		&receivers)
	if err != nil || len(receivers) == 0 {
		t.Fatalf("receivers: %v, %v", receivers, err)
	}
	for _, r := range receivers {
		for _, i := range r.Integrations {
			if i.LastNotifyAttemptError != "" || i.LastNotifyAttempt.Year() > 2000 {
				t.Errorf("%s was notified at %v: %s", r.Name, i.LastNotifyAttempt, i.LastNotifyAttemptError)
			}
		}
	}
	if strings.Contains(g.Warnings(), "Notify") {
		t.Errorf("Grafana tried to notify:\n%s", g.Warnings())
	}
}
