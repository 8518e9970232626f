package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"colorstream/dashboard/latest"
	"colorstream/influxdb/series"
)

// PageRows is how many rows a page of the table has at most.
const PageRows = 100

var themes = []string{"auto", "light", "dark"}

// standard are the statistics of a page that knows of none.
func standard() series.Statistics { return latest.InOrder(series.DefaultStatistics()) }

// columns are the names of the table's, with the first statistic before its change.
func columns(list series.Statistics) []string {
	names := []string{"name", string(list[0]), "change"}
	for _, s := range list[1:] {
		names = append(names, string(s))
	}
	return append(names, "count", "age")
}

// A span is a time range that ends with the newest window, as Go and Grafana write it.
type span string

var spans = []span{"5m", "15m", "1h", "6h", "24h"}

func (s span) Title() string { return string(s[:len(s)-1]) + " " + string(s[len(s)-1:]) }

func (s span) length() time.Duration {
	length, err := time.ParseDuration(string(s))
	if err != nil { // it is one of those above
		panic(err)
	}
	return length
}

// A view is what a reader sees of the table. Equal views share all work.
type view struct {
	Search    string
	Sort      string           // a column's name, with - before it if the largest comes first
	Stat      series.Statistic // whose change is shown
	Attention bool             // only colours that need attention
	First     bool             // those that need attention come first
	Page      int              // from 0 on; too large ones are the last, or begin again if First
	Size      int              // rows a page
}

const maxSearch = 200

// readView takes what it knows from an address and the standard for the rest. Of a parameter that
// comes several times the last counts, as a form's button comes behind its fields. The list is of
// the statistics that there are.
func readView(query url.Values, list series.Statistics) view {
	v := view{
		Search:    strings.ToLower(strings.TrimSpace(last(query, "q"))),
		Sort:      one(query, "sort", orders(list)),
		Stat:      one(query, "stat", list),
		Attention: last(query, "attention") != "",
		First:     query.Has("kiosk"),
		Page:      integer(last(query, "page"), 0, 0, 1<<20),
		Size:      integer(last(query, "size"), PageRows, 1, PageRows),
	}
	if len(v.Search) > maxSearch {
		v.Search = strings.ToValidUTF8(v.Search[:maxSearch], "")
	}
	return v
}

func last(query url.Values, name string) string {
	if values := query[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// one returns a parameter that is one of some choices, of which the first is the standard.
func one[S ~string](query url.Values, name string, choices []S) S {
	if value := S(last(query, name)); slices.Contains(choices, value) {
		return value
	}
	return choices[0]
}

// orders lists the columns in both directions; with - before it, the largest comes first.
func orders(list series.Statistics) (names []string) {
	for _, name := range columns(list) {
		names = append(names, name, "-"+name)
	}
	return names
}

func integer(text string, standard, low, high int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return standard
	}
	return n
}

func readSpan(query url.Values) span {
	if s := span(last(query, "range")); slices.Contains(spans, s) {
		return s
	}
	return "15m"
}
