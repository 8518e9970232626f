package web

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"colorstream/dashboard/latest"
	"colorstream/dashboard/live"
	"colorstream/influxdb/series"
)

// hostile is a colour that someone may well send.
const hostile = `"><img src=x onerror=alert(1)>;}body{display:none`

const width = 5 * time.Second

// past is a History that a test writes.
type past struct {
	points []series.Point
	err    error
	asked  int
}

func (p *past) Steps(
	_ context.Context, colors []string, begin, end time.Time, _ time.Duration,
) (list []series.Point, err error) {
	p.asked++
	for _, q := range p.points {
		if slices.Contains(colors, q.Color) && !q.Start.Before(begin) && q.Start.Before(end) {
			list = append(list, q)
		}
	}
	return list, p.err
}

// newest is when the newest window of a test began; it ended two seconds ago.
func newest() time.Time { return time.Now().Add(-7 * time.Second).Truncate(width).UTC() }

func point(color string, ago int, mean float64) series.Point {
	return series.Point{
		Color: color, Start: newest().Add(-time.Duration(ago) * width),
		Statistics: series.DefaultStatistics(),
		Values:     []float64{mean, mean, mean - 1.5, mean + 10},
		Count:      4, Complete: true,
	}
}

func newServer(t *testing.T, points ...series.Point) (*Server, *past) {
	t.Helper()
	history := &past{points: points}
	s := New(slog.New(slog.NewTextHandler(t.Output(), nil)), history,
		func() ([]int, string) { return nil, "" }, prometheus.NewRegistry(), Config{
			Window: width, Stale: 30 * time.Second, Refresh: width, Lookback: 24 * time.Hour, Clients: 10,
			DashboardUID: "colors",
		})
	s.Publish(snapshot(points...))
	return s, history
}

func snapshot(points ...series.Point) latest.Snapshot {
	b := latest.NewBoard(width, 10_000)
	b.Merge(points)
	list, _ := b.Colors(time.Time{})
	s := latest.Snapshot{Colors: list, Statistics: b.Statistics()}
	for _, c := range list {
		if c.Start.After(s.Newest) {
			s.Newest = c.Start
		}
	}
	return s
}

func some() []series.Point {
	incomplete := point("blue", 0, 1234.5)
	incomplete.Complete, incomplete.Approximate = false, true
	return []series.Point{
		point(hostile, 0, 2), incomplete, point("green",
			10, 3), point("old", 1000, 4), point("red", 1, 40), point("red", 0, 42.5),
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

// decode reads the JSON at a path.
func decode[T any](t *testing.T, s *Server, path string) (value T) {
	t.Helper()
	if err := json.Unmarshal(get(t, s, path).Body.Bytes(), &value); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return value
}

// shows holds what is at a path against what must be in it.
func shows(t *testing.T, s *Server, path string, wants ...string) {
	t.Helper()
	body := get(t, s, path).Body.String()
	for _, want := range wants {
		if !strings.Contains(body, want) {
			t.Errorf("%s has no %s:\n%.1000s", path, want, body)
		}
	}
}

// A view sorts by any column, searches and pages; equal values are sorted by name, unknown last.
func TestViews(t *testing.T) {
	s, _ := newServer(t, some()...)
	check := func(query string, want ...string) {
		t.Helper()
		order := decode[struct{ Table tableEvent }](t, s, "/rows?"+query).Table.Order
		if i := slices.Index(order, hostile); i >= 0 {
			order[i] = "hostile"
		}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	check("", "hostile", "blue", "green", "old", "red")
	check("sort=-name", "red", "old", "green", "blue", "hostile")
	check("sort=-median", "blue", "red", "old", "green", "hostile")
	check("sort=mean", "hostile", "green", "old", "red", "blue")
	check("sort=-change", "red", "hostile", "blue", "green", "old")
	check("sort=-age", "old", "green", "hostile", "blue", "red")
	check("sort=count&sort=-max", "blue", "red", "old", "green", "hostile") // the last one counts
	check("q=RE+e", "green", "red")
	check("attention=1", "blue", "green", "old")
	check("size=2&page=1", "green", "old")
	check("size=2&page=7", "red")
	check("size=2&page=4&kiosk", "old", "hostile") // it turns round, what needs attention first
	check("sort=-median&kiosk", "blue", "old", "green", "red", "hostile")
	check("sort=nonsense&page=-1&size=0&stat=x", "hostile", "blue", "green", "old", "red")
}

// Whatever moments a reader misses, the changes make of what it has what is there.
func TestChanges(t *testing.T) {
	s, _ := newServer(t)
	random := rand.New(rand.NewPCG(1, 2))
	v := view{Sort: "-median", Stat: "median", Size: 5}
	before, skipped := s.moment(), 0
	other := before // what another reader has
	rows, order := make(map[string]string), before.event(v).Order
	for range 200 {
		var points []series.Point
		for i := range random.IntN(9) {
			points = append(points, point(fmt.Sprint("c", i), random.IntN(8), float64(random.IntN(5))))
		}
		s.Publish(snapshot(points...))
		if skipped = (skipped + 1) % (1 + random.IntN(4)); skipped != 0 {
			other = s.moment()
			continue
		}
		m := s.moment()
		want := m.event(v)
		change, changed := want.since(before.event(v))
		for name, row := range change.Rows {
			if rows[name] == row && slices.Contains(order, name) {
				t.Fatalf("the row of %s is sent again", name)
			}
		}
		maps.Copy(rows, change.Rows)
		if change.Order != nil {
			if slices.Equal(order, change.Order) {
				t.Fatal("the order is sent again")
			}
			order = change.Order
		}
		if !slices.Equal(order, want.Order) {
			t.Fatalf("the order is %v, want %v (%v)", order, want.Order, changed)
		}
		for _, name := range order {
			if rows[name] != want.Rows[name] {
				t.Fatalf("%s is %s, want %s", name, rows[name], want.Rows[name])
			}
		}
		if (m.frame(v, before) == m.frame(v, other)) != (before == other) {
			t.Fatal("an event is encoded twice, or for a reader who has another moment")
		}
		before, other = m, m
	}
}

// The state is told when it changes, and every ten seconds.
func TestStateIsTold(t *testing.T) {
	s, _ := newServer(t, point("red", 0, 1))
	first, now := s.moment(), time.Now()
	s.look(now.Add(time.Second))
	if s.moment() != first {
		t.Error("nothing has changed, and it is told")
	}
	nothing := func(m *moment) bool {
		return reflect.DeepEqual(m.frame(readView(nil, m.Statistics), first), new(live.Frame))
	}
	s.look(now.Add(agingInterval))
	if m := s.moment(); m == first || !nothing(m) {
		t.Error("the rows do not age, or the state is told too often")
	}
	s.look(now.Add(2 * agingInterval))
	s.look(now.Add(3 * agingInterval))
	second := s.moment()
	if nothing(second) {
		t.Error("the state is not told for long")
	}
	select {
	case <-first.replaced:
	default:
		t.Error("who follows is not woken")
	}
	s.grafana = func() ([]int, string) { return []int{1}, "new" }
	if s.look(now.Add(3*agingInterval + 1)); s.moment().state == second.state || s.moment().state.Revision != "new" {
		t.Error("Grafana came, and it is not told")
	}
}

func TestRows(t *testing.T) {
	s, _ := newServer(t, some()...)
	const path = "/?color=red&stat=max&theme=dark&range=6h"
	shows(t, s, path,
		`class="mine silent"`, `class="mine stale"`, `class="mine part"`, `class="mine picked"`,
		`data-theme="dark"`, `<i class="sign up"></i><span class="sr">up </span>2.50`,
		`<span class="sr">unknown </span>`, `title="approximate"`, `1,234.5`, `value="6h" checked`,
		`<option value="max" selected>`, `aria-sort="ascending"`,
		`chart.svg?color=`, `data-state="live"`, `5 colours`, `<b id="many">3</b>`)
	page := get(t, s, path).Body.String()
	for _, unwanted := range []string{
		"<img src=x", " style=", "<style", "onclick", "javascript:",
		`http-equiv`,
	} {
		if strings.Contains(page, unwanted) {
			t.Errorf("the page has %s", unwanted)
		}
	}
	// Relative addresses work under any path.
	if found := regexp.MustCompile(`(href|src|srcset|action)="/`).FindString(page); found != "" {
		t.Errorf("the page has an absolute address: %s", found)
	}
}

func TestStates(t *testing.T) {
	s, _ := newServer(t)
	check := func(snapshot latest.Snapshot, kind, word string) {
		t.Helper()
		s.Publish(snapshot)
		if st := s.moment().state; st.Kind != kind || !strings.HasPrefix(st.Word, word) {
			t.Errorf("the state is %s %q, want %s %q", st.Kind, st.Word, kind, word)
		}
	}
	check(latest.Snapshot{Failure: latest.ErrNotRead}, "waiting", "Connecting")
	check(latest.Snapshot{}, "waiting", "Waiting for messages")
	check(snapshot(point("red", 0, 1)), "live", "Live")
	check(snapshot(point("red", 60, 1)), "stale", "No new data for 5 min")
	failed := snapshot(point("red", 0, 1))
	failed.Failure = errors.New("secret http://influxdb:8086")
	check(failed, "offline", "InfluxDB cannot be read")
	if strings.Contains(get(t, s, "/").Body.String(), "secret") {
		t.Error("the page says too much")
	}
}

func TestLatest(t *testing.T) {
	s, _ := newServer(t, some()...)
	d := decode[document](t, s, "/latest")
	red := d.Colors[4]
	if len(d.Colors) != 5 || red["mean"] != 42.5 || red["previous"].(map[string]any)["mean"] != 40. ||
		red["end"] != newest().Add(width).Format(time.RFC3339) || d.Colors[1]["exact"] != false ||
		d.Colors[2]["stale"] != true {
		t.Errorf("the document is %+v", d)
	}
	s.Publish(snapshot(append(some(), point("=1+1", 0, 1))...))
	for query, want := range map[string]int{
		"": 6, "color=red&color=nothing": 1, "q=re&size=100": 2,
		"page=1&size=4": 2,
	} {
		if d := decode[document](t, s, "/latest?"+query); len(d.Colors) != want {
			t.Errorf("%s lists %d colours, want %d", query, len(d.Colors), want)
		}
		w := get(t, s, "/latest.csv?"+query)
		rows, err := csv.NewReader(w.Body).ReadAll()
		if err != nil || len(rows) != want+1 ||
			!strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") ||
			query == "" && (rows[1][0] != hostile || rows[2][0] != "'=1+1" || rows[6][3] != "42.5") {
			t.Errorf("%s: %v %v %q", query, w.Header(), err, rows)
		}
	}
}

// The page shows what the worker computes, whatever that is: in the table, the chart and all that
// can be fetched. What a window does not have is a dash, null, or nothing.
func TestOtherStatistics(t *testing.T) {
	few := series.Statistics{"p99.9", series.StdDev, series.Mean}
	red, blue := point("red", 0, 0), point("blue", 0, 0)
	red.Statistics, red.Values = few, []float64{99.5, 7.25, 40}
	blue.Statistics, blue.Values = few, []float64{3, math.NaN(), 3}
	s, _ := newServer(t, red, blue)
	shows(t, s, "/?sort=-p99.9",
		`data-statistics="mean,stddev,p99.9"`, `value="-p99.9" selected`,
		`<option value="mean" selected>`, `<th scope="col">P99.9</th>`,
		`<td role="cell" class="c-main">40.00`,
		`<td role="cell" class="stat c-stddev" data-name="stddev">7.25</td>`, `data-name="stddev">–</td>`,
		`<td role="cell" class="stat c-p99.9" data-name="p99.9">99.50</td>`)
	if strings.Contains(get(t, s, "/?sort=-p99.9").Body.String(), "edian") {
		t.Error("the page shows a median")
	}
	for path, want := range map[string]string{
		"/latest?color=blue":                      `"mean":3,"p99.9":3,"previous":null`,
		"/latest.csv?color=red":                   "end,mean,stddev,p99.9,count",
		"/latest.csv?color=blue":                  ",3,,3,4,true",
		"/chart.svg?stat=p99.9":                   "P99.9 of",
		"/chart.svg?stat=median":                  "stat must be one of mean,stddev,p99.9",
		"/series?color=red&stat=stddev&width=500": `"statistics":["mean","stddev","p99.9"]`,
		"/series?color=red&range=5m":              `7.25]`,
		"/series?color=red&range=1h":              `"figures":["40.00","mean","4 messages"],"note":"Gap: no`,
	} {
		shows(t, s, path, want)
	}
}

// The example in the documentation is what is really sent.
func TestDocumentedExample(t *testing.T) {
	start, four := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), series.DefaultStatistics()
	s, _ := newServer(t)
	s.Publish(snapshot(
		series.Point{
			Color: "red", Start: start.Add(-width), Statistics: four,
			Values: []float64{48.25, 47, 3, 99}, Count: 4,
		},
		series.Point{
			Color: "red", Start: start, Statistics: four, Values: []float64{50.5, 50, 1, 100},
			Count: 5, Complete: true,
		}))
	s.show(s.now.Snapshot, start.Add(6*time.Second))
	m := s.moment()
	got, err := json.Marshal(m.document(m.Colors))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("export.go")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.SplitSeq(string(source), "\n") {
		if text, ok := strings.CutPrefix(line, "//\t"); ok {
			example.WriteString(text + "\n")
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

// A missing window is null; equal requests cost one query.
func TestSeries(t *testing.T) {
	hole := point("red", 1, 7)
	hole.Complete = false
	s, history := newServer(t, point("red", 0, 42.5), hole, point("red", 3, 8), point("blue", 2, 1))
	to := newest().Add(width)
	query := fmt.Sprintf("/series?color=blue&color=red&to=%d&from=%d&width=600&height=300",
		to.UnixMilli(), to.Add(-4*width).UnixMilli())
	var crowd sync.WaitGroup
	for range 50 {
		crowd.Go(func() { get(t, s, query) })
	}
	crowd.Wait()
	answer := decode[seriesJSON](t, s, query)
	if history.asked != 1 {
		t.Errorf("%d queries", history.asked)
	}
	blue, red := answer.Series[0], answer.Series[1]
	got := fmt.Sprint(answer.Step, len(answer.Start), blue["median"], red["median"], red["complete"])
	want := `5000 4 [<nil> 1 <nil> <nil>] [8 <nil> 7 42.5] [true <nil> false true]`
	if got != want || answer.Figures[0] != "42.50" ||
		!strings.HasPrefix(answer.SVG, "<svg") || answer.Plot.High < 52 {
		t.Errorf("got %s and %v %v, want %s", got, answer.Figures, answer.Plot, want)
	}
	longer := query + fmt.Sprintf("&from=%d", to.Add(-6*width).UnixMilli()) // the last one counts
	if get(t, s, longer); history.asked != 2 {
		t.Errorf("%d queries for two times", history.asked)
	}
	if day := decode[seriesJSON](t, s, "/series?range=24h&width=900"); day.Step != 360_000 || len(day.Start) > 241 {
		t.Errorf("a day has %d steps of %d ms", len(day.Start), day.Step)
	}
	history.err = errors.New("secret")
	if w := get(t, s, "/series?range=1h"); w.Code != 503 ||
		strings.Contains(w.Body.String(), "secret") {
		t.Errorf("in an outage: %d %s", w.Code, w.Body)
	}
	if w := get(t, s, "/chart.svg?range=1h"); w.Code != 503 ||
		!strings.Contains(w.Body.String(), "InfluxDB cannot be read") {
		t.Errorf("the picture in an outage: %d %s", w.Code, w.Body)
	}
}

// A window that comes into the last step is in the chart at once, though the step was read before.
func TestSeriesHasTheNewestWindow(t *testing.T) {
	t.Parallel()
	begin := newest().Truncate(time.Hour)
	first, second := point("red", 0, 40), point("red", 0, 50)
	first.Start, second.Start = begin, begin.Add(width)
	s, history := newServer(t, first)
	const query = "/series?color=red&range=24h"
	before := get(t, s, query).Body.String()
	history.points = []series.Point{first, second}
	s.Publish(snapshot(history.points...))
	if after := get(t, s, query).Body.String(); history.asked != 2 || after == before {
		t.Errorf("InfluxDB was asked %d times; the chart: %s", history.asked, after)
	}
	if get(t, s, query); history.asked != 2 {
		t.Errorf("InfluxDB was asked for the same again")
	}
}

func TestChartParameters(t *testing.T) {
	s, _ := newServer(t, some()...)
	check := func(query string, code int, want string) {
		t.Helper()
		w := get(t, s, "/chart.svg?"+query)
		if w.Code != code || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	check("", 200, "Median of")
	check("stat=max&range=24h&theme=dark&tz=Europe/Berlin&width=640&height=333&color=red",
		200, "Max of red, Europe/Berlin")
	check("stat=mode", 400, "stat must be")
	check("range=2h", 400, "range must be")
	check("theme=pink", 400, "theme must be")
	check("width=99999", 400, "width must be")
	check("width=NaN", 400, "width must be")
	check("height=x", 400, "height must be")
	check("tz=Local", 400, "tz must be")
	check("tz=Nowhere", 400, "tz must be")
	check("from=2&to=1", 400, "from must be")
	check("from=0&to=1e13", 400, "from must be")
	check("color=1&color=2&color=3&color=4&color=5&color=6&color=7&color=8&color=9", 400, "at most 8")
	w := get(t, s, "/chart.svg")
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'unsafe-inline'") {
		t.Errorf("a picture's policy is %s", policy)
	}
	if got := w.Header().Get("Cross-Origin-Resource-Policy"); got != "cross-origin" {
		t.Errorf("other sites may not show the picture: %s", got)
	}
}

func TestReplies(t *testing.T) {
	s, _ := newServer(t, some()...)
	for _, path := range []string{
		"/latest", "/latest.csv", "/chart.svg?range=1h", "/static/page.js",
		"/series", "/rows",
	} {
		first := get(t, s, path)
		tag := first.Header().Get("ETag")
		if tag == "" || first.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: ETag %q, Cache-Control %q", path, tag, first.Header().Get("Cache-Control"))
		}
		if second := get(t, s, path, "If-None-Match", tag); second.Code != http.StatusNotModified ||
			second.Body.Len() != 0 {
			t.Errorf("%s again: %d with %d bytes", path, second.Code, second.Body.Len())
		}
		packed := get(t, s, path, "Accept-Encoding", "gzip")
		if packed.Header().Get("Content-Encoding") != "gzip" {
			continue // it is small
		}
		unpacked, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(unpacked)
		if err != nil || string(body) != first.Body.String() {
			t.Errorf("%s compressed: %v, %d bytes", path, err, len(body))
		}
	}
	address := regexp.MustCompile(`static/page\.js\?v=[0-9a-f]+`).FindString(
		get(t, s, "/").Body.String())
	if w := get(t, s, "/"+address); !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s may not be kept: %s", address, w.Header().Get("Cache-Control"))
	}
}

func TestHeadersAndMethods(t *testing.T) {
	s, _ := newServer(t, some()...)
	for _, path := range []string{
		"/", "/latest", "/rows", "/series", "/static/page.css",
		"/static/nothing",
	} {
		h := get(t, s, path).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
			"X-Frame-Options": "DENY",
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

func TestUnder(t *testing.T) {
	check := func(prefix string, trust bool, forwarded, path, want string) {
		t.Helper()
		got := ""
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("X-Forwarded-Prefix", forwarded)
		w := httptest.NewRecorder()
		Under(prefix, trust, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = r.URL.Path + " " + Prefix(r)
		})).ServeHTTP(w, r)
		if location := w.Header().Get("Location"); location != "" {
			got = "to " + location
		}
		if got != want {
			t.Errorf("%s under %q, %q: %s, want %s", path, prefix, forwarded, got, want)
		}
	}
	check("", false, "", "/latest", "/latest ")
	check("/colors", false, "", "/colors/latest", "/latest /colors")
	check("/colors", false, "", "/latest", "/latest /colors") // the proxy took the path away
	check("/colors", false, "", "/colors?q=red", "to /colors/?q=red")
	check("/colors", false, "", "/colorsx", "/colorsx /colors")
	check("", false, "/evil", "/latest", "/latest ") // nobody said that the proxy can be trusted
	check("", true, "/colors/", "/latest", "/latest /colors")
	for _, bad := range []string{
		"//evil.example", "/a/../b", `/a"b`, "colors", "/a b", "/.", "/a//b",
		"/%2e",
	} {
		check("", true, bad, "/latest", "/latest ")
		if ValidPrefix(bad) {
			t.Errorf("%s is a prefix", bad)
		}
	}
}

func TestProtect(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	check := func(owner, path, user, password string, want int) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		Protect(owner, "sesame", ok).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s as %q with %q: %d, want %d", path, user, password, w.Code, want)
		}
		if asks := w.Header().Get("WWW-Authenticate") != ""; asks != (want == 401) {
			t.Errorf("%s as %q: asks for a password: %v", path, user, asks)
		}
	}
	check("", "/", "", "", 200)
	check("viewer", "/", "", "", 401)
	check("viewer", "/", "viewer", "sesame", 200)
	check("viewer", "/", "viewer", "sesam", 401)
	check("viewer", "/", "Viewer", "sesame", 401)
	check("viewer", "/metrics", "", "", 401)
	check("viewer", "/d-solo/colors/x", "", "", 401)
	check("viewer", "/healthz", "", "", 200)
}

func TestFormat(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.00", 42.5: "42.50", 1.005: "1.00", 999.99: "999.99", -1234.56: "-1,234.6",
		99999.9:   "99,999.9",
		1234567.8: "1,234,568", 123456789: "1.235e8", 1.7e308: "1.700e308", 0.00012: "1.200e-4",
		-0.0045: "-4.500e-3",
	} {
		if got := formatNumber(f); got != want {
			t.Errorf("%v is %s, want %s", f, got, want)
		}
	}
	for f, want := range map[float64]string{
		100: "100", -3: "-3", 12345: "12,345", 2.5: "2.50",
		1e21: "1.000e21",
	} {
		if got := formatExtreme(f); got != want {
			t.Errorf("the extreme %v is %s, want %s", f, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 99 * time.Second: "99 s", 100 * time.Second: "1 min",
		100 * time.Minute: "1 h", 47 * time.Hour: "47 h", 80 * time.Hour: "3 d",
	} {
		if got := formatSpan(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

func FuzzFormat(f *testing.F) {
	f.Add(1.5)
	f.Fuzz(func(t *testing.T, value float64) {
		if text := formatNumber(value); len(text) > 10 {
			t.Errorf("%v is %s: too long for its column", value, text)
		}
	})
}

// The page, its style and its script are small.
func TestSize(t *testing.T) {
	s, _ := newServer(t, point("red", 0, 1),
		point("blue", 0, 1), point("green", 0, 1), point("yellow", 0, 1))
	size := get(t, s, "/").Body.Len()
	for _, name := range []string{"page.css", "page.js", "chart.js", "icon.svg"} {
		size += get(t, s, "/static/"+name).Body.Len()
	}
	if size > 60_000 {
		t.Errorf("the page has %d bytes", size)
	}
}
