package web

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"colorstream/dashboard/chart"
	"colorstream/dashboard/latest"
	"colorstream/dashboard/palette"
	"colorstream/influxdb/series"
)

// A page is what the template shows.
type page struct {
	View    view
	State   state
	Config  Config
	Theme   string
	Span    span
	Spans   []span
	Kiosk   bool
	Few     bool   // colours: they are all drawn
	Color   string // that the reader has picked
	Picked  string // that is shown: the first one, if none is picked
	Shade   palette.Shade
	Chart   string // address of the picture for readers without a script
	Shown   string // parameters of what is shown, for the links to it
	Columns []column
	Rows    []template.HTML
	Table   tableEvent
	First   int // number of the first row, from 1 on
	Last    int
	Refresh float64
	Stats   series.Statistics
	Trail   string // how long the sparklines are
}

// A column is one of the table's, with the sorting that its head asks for.
type column struct {
	Name, Title, Sort, Sorted string
}

const fewColors = 8

func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	body := execute(s.templates, "page.html", s.page(r.URL.Query()))
	w.Header().Set("Cache-Control", "no-store")
	reply(w, r, "text/html; charset=utf-8", []byte(body))
}

func (s *Server) page(query url.Values) page {
	m := s.moment()
	v := readView(query, m.Statistics)
	p := page{
		View: v, State: m.stateNow(), Config: s.config, Span: readSpan(query), Spans: spans,
		Theme: one(query, "theme", themes), Kiosk: v.First, Few: len(m.Colors) <= fewColors,
		Color: last(query, "color"), Columns: v.columns(m.Statistics), Stats: m.Statistics,
		Trail:   formatSpan(latest.Trail * s.config.Window),
		Refresh: max(1, s.config.Refresh.Seconds()),
	}
	p.Table = m.event(v)
	if p.Picked = p.Color; p.Picked == "" && len(p.Table.Order) > 0 {
		p.Picked = p.Table.Order[0]
	}
	p.Shade = palette.Of(p.Picked)
	for _, name := range p.Table.Order {
		text := p.Table.Rows[name]
		if name == p.Picked {
			text = execute(s.templates, "row", m.newRow(m.find(name), v.Stat, true))
		}
		p.Rows = append(p.Rows, template.HTML(text)) // the template's own
	}
	p.First, p.Last = p.Table.Page*v.Size+1, p.Table.Page*v.Size+len(p.Rows)

	query.Del("color")
	query.Set("size", "100")
	p.Shown = "?" + query.Encode()
	picture := url.Values{"stat": {string(v.Stat)}, "range": {string(p.Span)}, "theme": {p.Theme}}
	if p.Few {
		for _, c := range m.Colors[:min(len(m.Colors), chart.MaxLines)] {
			picture.Add("color", c.Color)
		}
	}
	if p.Picked != "" {
		picture.Add("color", p.Picked)
	}
	p.Chart = "chart.svg?" + picture.Encode()
	return p
}

// columns are the table's heads. The first click sorts the largest first, save for names.
func (v view) columns(stats series.Statistics) (list []column) {
	for _, name := range columns(stats) {
		c := column{
			Name: name, Title: chart.Title(series.Statistic(name)), Sort: "-" + name,
			Sorted: "none",
		}
		if name == "name" {
			c.Title, c.Sort = "Colour", name
		}
		switch {
		case v.Sort == name:
			c.Sorted = "ascending"
		case v.Sort == "-"+name:
			c.Sorted = "descending"
		}
		if v.Sort == c.Sort {
			c.Sort = other(c.Sort)
		}
		list = append(list, c)
	}
	return list
}

func other(sort string) string {
	if name, down := strings.CutPrefix(sort, "-"); down {
		return name
	}
	return "-" + sort
}

// Previous and Next are the numbers of the pages beside this one.
func (p page) Previous() int { return max(0, p.Table.Page-1) }
func (p page) Next() int     { return min(p.Table.Page+1, p.Table.Pages-1) }
func (p page) AtEnd() bool   { return p.Table.Page == p.Table.Pages-1 }
