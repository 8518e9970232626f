package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"colorstream/dashboard/chart"
	"colorstream/dashboard/latest"
	"colorstream/influxdb/series"
)

// hostile is a colour that someone may well send.
const hostile = `<img src=x onerror=alert(1)>`

// board is a Source that a test writes.
type board struct {
	mu       sync.Mutex
	snapshot latest.Snapshot
}

func (b *board) Snapshot() latest.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snapshot
}

func (b *board) set(change func(*latest.Snapshot)) latest.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.snapshot)
	return b.snapshot
}

// pencil is a Charter that draws what was asked for.
type pencil struct{ err error }

func (p pencil) SVG(_ context.Context, r chart.Request) ([]byte, error) {
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg">` + r.Statistic + r.Range.String() + r.Zone + `</svg>`), p.err
}

func point(color string, start time.Time, mean float64) series.Point {
	return series.Point{
		Color: color, Start: start.UTC(), Mean: mean, Median: mean, Min: mean - 1.5, Max: mean + 10, Count: 4, Complete: true,
	}
}

// newest is when the newest window of a test began; it ended two seconds ago.
func newest() time.Time { return time.Now().Add(-7 * time.Second).Truncate(time.Second) }

func newServer(t *testing.T, colors ...latest.Color) (*Server, *board) {
	t.Helper()
	b := &board{snapshot: latest.Snapshot{Colors: colors, Read: time.Now(), Since: time.Now()}}
	for _, c := range colors {
		if c.Start.After(b.snapshot.Newest) {
			b.snapshot.Newest = c.Start
		}
	}
	s, err := New(slog.New(slog.NewTextHandler(t.Output(), nil)), b, pencil{}, func() Panel {
		return Panel{Reason: "Grafana is away"}
	}, prometheus.NewRegistry(), Config{
		Window: 5 * time.Second, Stale: 30 * time.Second, Refresh: 5 * time.Second, Clients: 10,
		GrafanaURL: "http://grafana.example:3000/", DashboardUID: "colors",
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

func colors() []latest.Color {
	start := newest()
	before := point("red", start.Add(-5*time.Second), 40)
	incomplete := point("blue", start, 1234.5)
	incomplete.Complete, incomplete.Approximate = false, true
	return []latest.Color{
		{Point: point(hostile, start, 2)},
		{Point: incomplete},
		{Point: point("green", start.Add(-time.Hour), 3)},
		{Point: point("red", start, 42.5), Previous: &before},
	}
}

func get(t *testing.T, s *Server, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	s.Register(mux)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Secure(mux).ServeHTTP(w, r)
	return w
}

func TestLatestJSON(t *testing.T) {
	s, _ := newServer(t, colors()...)
	w := get(t, s, "/latest")
	var d document
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	var got []string
	for _, c := range d.Colors {
		text := c.Color
		if c.Stale {
			text += " stale"
		}
		if !c.Complete {
			text += " incomplete"
		}
		if !c.Exact {
			text += " approximate"
		}
		if c.Previous != nil {
			text += " before"
		}
		got = append(got, text)
	}
	if diff := cmp.Diff([]string{hostile, "blue incomplete approximate", "green stale", "red before"}, got); diff != "" {
		t.Error(diff)
	}
	red := d.Colors[3]
	if red.Mean != 42.5 || red.Previous.Mean != 40 || !red.End.Equal(red.Start.Add(5*time.Second)) || red.Shade.Dark != "#f2495c" {
		t.Errorf("red is %+v", red)
	}
	if d.Stale || d.Newest == nil || !d.State.InfluxDB.OK || d.State.Grafana.Text != "Grafana is away" {
		t.Errorf("the document is %+v", d)
	}
	if strings.Contains(w.Body.String(), "<img") {
		t.Error("the JSON has markup in it")
	}

	if err := json.Unmarshal(get(t, s, "/latest?color=red&color=nothing").Body.Bytes(), &d); err != nil || len(d.Colors) != 1 {
		t.Errorf("?color=red lists %d colours, %v", len(d.Colors), err)
	}
}

// The example in the documentation is what is really sent.
func TestDocumentedExample(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	before := series.Point{Color: "red", Start: start.Add(-5 * time.Second), Mean: 48.25, Median: 47, Min: 3, Max: 99, Count: 4}
	s, b := newServer(t, latest.Color{
		Point:    series.Point{Color: "red", Start: start, Mean: 50.5, Median: 50, Min: 1, Max: 100, Count: 5, Complete: true},
		Previous: &before,
	})
	b.set(func(s *latest.Snapshot) { s.Since = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC) })
	s.panel = func() Panel {
		return Panel{Available: true, Since: time.Date(2026, 1, 2, 3, 0, 1, 0, time.UTC), Panels: []int{1, 2, 3, 4}, Revision: "f00"}
	}
	got, err := json.MarshalIndent(s.document(start.Add(6*time.Second)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	source, err := sources.ReadFile("document.go")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.SplitSeq(string(source), "\n") {
		if text, ok := strings.CutPrefix(line, "//\t"); ok {
			example.WriteString(text + "\n")
		} else if strings.HasPrefix(line, "// | field") {
			break
		}
	}
	var want, have any
	if err := errors.Join(json.Unmarshal([]byte(example.String()), &want), json.Unmarshal(got, &have)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

func TestETag(t *testing.T) {
	s, b := newServer(t, colors()...)
	for _, path := range []string{"/latest", "/latest.csv", "/chart.svg?stat=mean&range=1h", "/static/page.js"} {
		first := get(t, s, path)
		tag := first.Header().Get("ETag")
		if tag == "" || first.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: ETag %q, Cache-Control %q", path, tag, first.Header().Get("Cache-Control"))
		}
		if second := get(t, s, path, "If-None-Match", tag); second.Code != http.StatusNotModified || second.Body.Len() != 0 {
			t.Errorf("%s again: %d with %d bytes", path, second.Code, second.Body.Len())
		}
	}
	tag := get(t, s, "/latest").Header().Get("ETag")
	b.set(func(s *latest.Snapshot) { s.Colors = s.Colors[:1] })
	if w := get(t, s, "/latest", "If-None-Match", tag); w.Code != http.StatusOK {
		t.Errorf("after new data: %d", w.Code)
	}
}

func TestCSV(t *testing.T) {
	s, _ := newServer(t, append(colors(), latest.Color{Point: point("=1+1", newest(), 1)})...)
	read := func(w *httptest.ResponseRecorder) [][]string {
		t.Helper()
		if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/csv") {
			t.Fatalf("the answer is %s", kind)
		}
		rows, err := csv.NewReader(w.Body).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := read(get(t, s, "/latest.csv"))
	want := []string{"color", "start", "end", "mean", "median", "min", "max", "count", "complete", "exact", "stale"}
	if diff := cmp.Diff(want, rows[0]); diff != "" {
		t.Error(diff)
	}
	if len(rows) != 6 || rows[1][0] != hostile || rows[4][3] != "42.5" || rows[5][0] != "'=1+1" {
		t.Errorf("got %q", rows)
	}
	if rows := read(get(t, s, "/latest?color=red", "Accept", "text/csv")); len(rows) != 2 {
		t.Errorf("by Accept: %q", rows)
	}
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "text/csv": true, "application/json, text/csv;q=0.5": false,
		"text/csv;q=0": false, "text/html, TEXT/CSV ; q=0.9, */*;q=0.1": true, "application/json;q=0.4,text/csv;q=0.5": true,
	} {
		if got := prefersCSV(accept); got != want {
			t.Errorf("Accept: %s is CSV: %v", accept, got)
		}
	}
}

func TestChartParameters(t *testing.T) {
	s, _ := newServer(t)
	check := func(query string, code int, want string) {
		t.Helper()
		w := get(t, s, "/chart.svg?"+query)
		if w.Code != code || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	check("", 200, "mean15m0s")
	check("stat=max&range=24h&theme=dark&tz=Europe/Berlin&width=640&height=333", 200, "max24h0m0sEurope/Berlin")
	check("stat=mode", 400, "stat must be")
	check("range=2h", 400, "range must be")
	check("theme=pink", 400, "theme must be")
	check("width=9999", 400, "width must be")
	check("height=1e2", 400, "width must be")
	check("tz=Local", 400, "tz must be")
	w := get(t, s, "/chart.svg")
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'unsafe-inline'") {
		t.Errorf("a picture's policy is %s", policy)
	}
	if got := w.Header().Get("Cross-Origin-Resource-Policy"); got != "cross-origin" {
		t.Errorf("other sites may not show the picture: %s", got)
	}
	s.charter = pencil{err: chart.ErrNoData}
	check("", 503, "<svg")
	s.charter = pencil{err: chart.ErrZone}
	check("tz=Nowhere", 400, "tz must be")
	s.charter = pencil{err: errors.New("broken")}
	check("", 500, "cannot draw the chart")
}

func TestHeadersAndMethods(t *testing.T) {
	s, _ := newServer(t, colors()...)
	for _, path := range []string{"/", "/latest", "/latest.csv", "/static/page.css", "/static/nothing"} {
		h := get(t, s, path).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "same-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Error("the page's policy permits what is unsafe")
	}
	mux := http.NewServeMux()
	s.Register(mux)
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE"} {
		w := httptest.NewRecorder()
		Secure(mux).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestProtect(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	check := func(c Credentials, path, user, password string, want int) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		Protect(c, ok).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s as %q with %q: %d, want %d", path, user, password, w.Code, want)
		}
		if asks := w.Header().Get("WWW-Authenticate") != ""; asks != (want == 401) {
			t.Errorf("%s as %q: asks for a password: %v", path, user, asks)
		}
	}
	c := Credentials{"viewer", "sesame"}
	check(Credentials{}, "/", "", "", 200)
	check(c, "/", "", "", 401)
	check(c, "/", "viewer", "sesame", 200)
	check(c, "/", "viewer", "sesam", 401)
	check(c, "/", "Viewer", "sesame", 401)
	check(c, "/metrics", "", "", 401)
	check(c, "/d-solo/colors/x", "", "", 401)
	check(c, "/healthz", "", "", 200)
}
