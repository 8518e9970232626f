package web

import (
	"net/url"
	"time"

	"colorstream/influxdb/series"
)

// A statistic is one of the four that the page shows, with the panel of the Grafana dashboard that charts it.
type statistic struct {
	Name  string // as in InfluxDB and in addresses
	Title string
	Panel int
}

var statistics = []statistic{
	{series.Mean, "Mean", 1}, {series.Median, "Median", 2}, {series.Min, "Min", 3}, {series.Max, "Max", 4},
}

// A span is a time range that ends now.
type span struct {
	Name   string // as in addresses, and behind now- in Grafana's
	Title  string
	Length time.Duration
}

var ranges = []span{
	{"15m", "15 min", 15 * time.Minute}, // the first is what is shown if nothing is asked for
	{"5m", "5 min", 5 * time.Minute},
	{"1h", "1 h", time.Hour},
	{"6h", "6 h", 6 * time.Hour},
	{"24h", "24 h", 24 * time.Hour},
}

// rangeOrder is the order in which the page offers them.
var rangeOrder = []int{1, 0, 2, 3, 4}

func (s statistic) key() string { return s.Name }
func (s span) key() string      { return s.Name }

// find returns the choice of a name. An empty name is the first choice; for an unknown one, ok is false.
func find[T interface{ key() string }](choices []T, name string) (choice T, ok bool) {
	for _, c := range choices {
		if c.key() == name {
			return c, true
		}
	}
	return choices[0], name == ""
}

// Settings are what a reader chose; the address remembers them.
type settings struct {
	Statistic statistic
	Range     span
	Theme     string // auto, light or dark
	Sort      string // a column's name
	Down      bool   // the largest first
}

// columns are what the table can be sorted by.
var columns = []string{"color", "mean", "median", "min", "max", "change", "count", "age"}

// readSettings takes what it knows from an address and the standard for the rest.
func readSettings(query url.Values) settings {
	s := settings{Theme: "auto", Sort: "color", Down: query.Get("dir") == "desc"}
	s.Statistic, _ = find(statistics, query.Get("stat"))
	s.Range, _ = find(ranges, query.Get("range"))
	if theme := query.Get("theme"); theme == "light" || theme == "dark" {
		s.Theme = theme
	}
	for _, column := range columns {
		if query.Get("sort") == column {
			s.Sort = column
		}
	}
	return s
}

// address is the page's, with one setting changed. The standard settings are left out.
func (s settings) address(change func(*settings)) string {
	change(&s)
	query := url.Values{}
	set := func(name, value, standard string) {
		if value != standard {
			query.Set(name, value)
		}
	}
	set("stat", s.Statistic.Name, statistics[0].Name)
	set("range", s.Range.Name, ranges[0].Name)
	set("theme", s.Theme, "auto")
	set("sort", s.Sort, "color")
	if s.Down {
		query.Set("dir", "desc")
	}
	if len(query) == 0 {
		return "/"
	}
	return "/?" + query.Encode()
}
