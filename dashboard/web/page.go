package web

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A view is what the page's template shows.
type view struct {
	document
	Settings settings
	Config   Config
	Tabs     []choice
	Ranges   []choice
	Themes   []choice
	Columns  []column
	Rows     []row
	Total    total
	Grafana  string // address of the whole dashboard
	Status   string // in a word
	Reload   int    // seconds, for browsers without a script
	Modules  []string
	Blank    row // the script's pattern of a row
}

// modules are the files that page.js asks for; naming them in the page saves the browser a turn.
var modules = []string{"clock.js", "format.js", "live.js", "panel.js", "settings.js", "table.js"}

// A choice is a link that changes one setting.
type choice struct {
	Name, Title, Address string
	Panel                int
	Current              bool
}

// A column is one of the table's, with the link that sorts by it.
type column struct {
	Name, Title, Address string
	Sorted               string // ascending, descending or none
}

// A row is one colour's. The texts are what the script writes, too.
type row struct {
	window
	MeanText, MedianText, MinText, MaxText string
	Change                                 change
	AgeText                                string
}

// A change is what a statistic did since the colour's window before.
type change struct {
	Sign, Word, Text string
	value            float64 // NaN if unknown
}

// A total is of all colours that have the newest window.
type total struct {
	Colors, Stale              int
	Count                      int64
	MeanText, MinText, MaxText string
	RateText                   string
	Start, End                 time.Time
	AgeText                    string
}

func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if err := s.page.ExecuteTemplate(&body, "page.html", s.view(r.URL.Query(), time.Now())); err != nil {
		s.fail(w, r, "draw the page", err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	_, _ = body.WriteTo(w) // the client is gone, if anything
}

func (s *Server) view(query url.Values, now time.Time) view {
	chosen := readSettings(query)
	d := s.document(now)
	v := view{
		document: d, Settings: chosen, Config: s.config, Modules: modules, Blank: row{window: window{Complete: true, Exact: true}},
		Total: newTotal(d, now), Status: "Live", Reload: max(1, int(math.Ceil(s.config.Refresh.Seconds()))),
	}
	switch {
	case !d.State.InfluxDB.OK:
		v.Status = "No answer"
	case len(d.Colors) == 0:
		v.Status = "Waiting"
	case d.Stale:
		v.Status = "Stale"
	}
	for _, st := range statistics {
		address := chosen.address(func(c *settings) { c.Statistic = st })
		v.Tabs = append(v.Tabs, choice{st.Name, st.Title, address, st.Panel, st == chosen.Statistic})
	}
	for _, i := range rangeOrder {
		address := chosen.address(func(c *settings) { c.Range = ranges[i] })
		v.Ranges = append(v.Ranges, choice{ranges[i].Name, ranges[i].Title, address, 0, ranges[i] == chosen.Range})
	}
	for _, theme := range [][2]string{{"auto", "Auto"}, {"light", "Light"}, {"dark", "Dark"}} {
		address := chosen.address(func(c *settings) { c.Theme = theme[0] })
		v.Themes = append(v.Themes, choice{theme[0], theme[1], address, 0, theme[0] == chosen.Theme})
	}
	titles := map[string]string{"color": "Colour"}
	for _, name := range columns {
		title := cmp.Or(titles[name], strings.ToUpper(name[:1])+name[1:])
		c := column{Name: name, Title: title, Sorted: "none"}
		down := name == chosen.Sort && !chosen.Down
		c.Address = chosen.address(func(s *settings) { s.Sort, s.Down = name, down })
		if name == chosen.Sort {
			c.Sorted = map[bool]string{false: "ascending", true: "descending"}[chosen.Down]
		}
		v.Columns = append(v.Columns, c)
	}
	for _, w := range d.Colors {
		v.Rows = append(v.Rows, newRow(w, chosen.Statistic.Name, now))
	}
	sortRows(v.Rows, chosen.Sort, chosen.Down)
	v.Grafana = fmt.Sprintf("%s/d/%s?from=now-%s&to=now", strings.TrimSuffix(s.config.GrafanaURL, "/"),
		url.PathEscape(s.config.DashboardUID), chosen.Range.Name)
	return v
}

func newRow(w window, statistic string, now time.Time) row {
	return row{
		window: w, MeanText: formatNumber(w.Mean), MedianText: formatNumber(w.Median),
		MinText: formatExtreme(w.Min), MaxText: formatExtreme(w.Max),
		Change: newChange(w, statistic), AgeText: formatAge(now.Sub(w.End)),
	}
}

// values returns a statistic of a window and of the one before.
func (w window) values(statistic string) (now, before float64) {
	p := w.Previous
	if p == nil {
		p = &previous{Mean: math.NaN(), Median: math.NaN(), Min: math.NaN(), Max: math.NaN()}
	}
	switch statistic {
	case "median":
		return w.Median, p.Median
	case "min":
		return w.Min, p.Min
	case "max":
		return w.Max, p.Max
	}
	return w.Mean, p.Mean
}

func newChange(w window, statistic string) change {
	now, before := w.values(statistic)
	c := change{Sign: "–", Word: "unknown", value: now - before}
	switch {
	case c.value > 0:
		c.Sign, c.Word, c.Text = "▲", "up", formatNumber(c.value)
	case c.value < 0:
		c.Sign, c.Word, c.Text = "▼", "down", formatNumber(-c.value)
	case c.value == 0:
		c.Sign, c.Word, c.Text = "＝", "unchanged", ""
	}
	return c
}

// sortRows orders by a column, and rows that are equal in it by name. Unknown changes come last.
func sortRows(rows []row, by string, down bool) {
	key := func(r row) float64 {
		switch by {
		case "mean", "median", "min", "max":
			value, _ := r.values(by)
			return value
		case "change":
			if math.IsNaN(r.Change.value) {
				return math.Inf(map[bool]int{false: 1, true: -1}[down])
			}
			return r.Change.value
		case "count":
			return float64(r.Count)
		case "age":
			return -float64(r.End.UnixMilli())
		}
		return 0
	}
	slices.SortFunc(rows, func(a, b row) int {
		order := cmp.Compare(key(a), key(b))
		if by == "color" {
			order = strings.Compare(a.Color, b.Color)
		}
		if down {
			order = -order
		}
		return cmp.Or(order, strings.Compare(a.Color, b.Color))
	})
}

func newTotal(d document, now time.Time) total {
	t := total{Colors: len(d.Colors), MeanText: "–", MinText: "–", MaxText: "–", RateText: "–", AgeText: "–"}
	sum, low, high := 0.0, math.Inf(1), math.Inf(-1)
	for _, w := range d.Colors {
		if w.Stale {
			t.Stale++
		}
		if d.Newest != nil && w.Start.Equal(*d.Newest) {
			t.Count += w.Count
			sum += w.Mean * float64(w.Count)
			low, high = min(low, w.Min), max(high, w.Max)
			t.Start, t.End = w.Start, w.End
		}
	}
	if t.Count > 0 {
		t.MeanText, t.MinText, t.MaxText = formatNumber(sum/float64(t.Count)), formatExtreme(low), formatExtreme(high)
		t.RateText = formatNumber(float64(t.Count) / d.WindowSeconds)
		t.AgeText = formatAge(now.Sub(t.End))
	}
	return t
}
