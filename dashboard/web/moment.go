package web

import (
	"cmp"
	"html/template"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"colorstream/dashboard/latest"
	"colorstream/dashboard/live"
	"colorstream/influxdb/series"
)

// A moment is what the page knows at one time. What is made of it is made when it is first asked
// for, and once.
type moment struct {
	latest.Snapshot
	number    uint64 // counts the moments
	config    Config
	templates *template.Template
	now       time.Time
	state     *state        // the one before's, if it was told not long ago and is the same
	replaced  chan struct{} // closed when there is a newer moment

	mu        sync.Mutex // guards the maps
	events    map[view]func() tableEvent
	frames    map[frameKey]func() *live.Frame
	histories map[string]func() reading
}

type frameKey struct {
	view   view
	before uint64 // number of the moment, 0 for none
}

// show makes snapshot the present moment. The caller holds s.mu.
func (s *Server) show(snapshot latest.Snapshot, now time.Time) {
	if len(snapshot.Statistics) == 0 {
		snapshot.Statistics = standard()
	}
	m := &moment{
		Snapshot: snapshot, config: s.config, templates: s.templates, now: now,
		replaced: make(chan struct{}),
		events:   make(map[view]func() tableEvent), frames: make(map[frameKey]func() *live.Frame),
		histories: make(map[string]func() reading),
	}
	m.state = s.newState(m, now)
	before := s.now
	s.now, m.number = m, 1
	if before == nil {
		return
	}
	m.number = before.number + 1
	if m.state.same(before.state) && now.UnixMilli()-before.state.Now < beatInterval.Milliseconds() {
		m.state = before.state
	}
	close(before.replaced)
}

// maxKept bounds how many views' events and frames, and how many charts' histories, are kept:
// whoever asks for many makes the page slower, not larger.
const maxKept = 300

// once makes a value unless it is there.
func once[K comparable, V any](m *moment, values map[K]func() V, key K, make func() V) V {
	m.mu.Lock()
	value := values[key]
	if value == nil {
		if len(values) >= maxKept {
			clear(values) // simpler than choosing
		}
		value = sync.OnceValue(make)
		values[key] = value
	}
	m.mu.Unlock()
	return value()
}

// table looks at the moment through a view: its colours and, without the rows, its event.
func (m *moment) table(v view) (colors []*latest.Color, e tableEvent) {
	words := strings.Fields(v.Search)
	var first []*latest.Color
	for _, c := range m.Colors {
		needs := m.late(c) != "" || !c.Complete
		if needs {
			e.Attention++
		}
		switch {
		case !matches(c.Color, words), v.Attention && !needs:
		case v.First && needs:
			first = append(first, c)
		default:
			colors = append(colors, c)
		}
	}
	v.order(first)
	v.order(colors)
	colors = append(first, colors...)
	e.Statistics, e.Found, e.Total = m.Statistics.String(), len(colors), len(m.Colors)
	e.Pages = max(1, (len(colors)+v.Size-1)/v.Size)
	if e.Page = min(v.Page, e.Pages-1); v.First {
		e.Page = v.Page % e.Pages
	}
	begin := e.Page * v.Size
	return colors[begin:min(begin+v.Size, len(colors))], e
}

// matches reports whether a name contains all words.
func matches(name string, words []string) bool {
	name = strings.ToLower(name)
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(name, w) })
}

// order sorts colours, which are in the order of their names, by the view's column. Those that are
// equal in it stay as they are; unknown changes come last.
func (v view) order(colors []*latest.Color) {
	column, down := strings.CutPrefix(v.Sort, "-")
	sign := map[bool]int{false: 1, true: -1}[down]
	slices.SortStableFunc(colors, func(a, b *latest.Color) int {
		if column == "name" {
			return sign * strings.Compare(a.Color, b.Color)
		}
		x, y := value(a, column, v.Stat), value(b, column, v.Stat)
		if math.IsNaN(x) || math.IsNaN(y) {
			return cmp.Compare(y, x) // NaN is the smallest to it
		}
		return sign * cmp.Compare(x, y)
	})
}

// value returns what a colour has in a column.
func value(c *latest.Color, column string, stat series.Statistic) float64 {
	switch column {
	case "count":
		return float64(c.Count)
	case "age":
		return -float64(c.Start.UnixMilli()) // the older, the larger
	case "change":
		return change(c, stat)
	}
	return c.Value(series.Statistic(column))
}

// change returns what a statistic did since the colour's window before, NaN if that is not known.
func change(c *latest.Color, stat series.Statistic) float64 {
	if c.Before == nil {
		return math.NaN()
	}
	return c.Value(stat) - c.Before.Value(stat)
}

// late says how long a colour has been quiet: "", stale or silent.
func (m *moment) late(c *latest.Color) string {
	switch age := m.now.Sub(c.Start) - m.config.Window; {
	case age > silentFactor*m.config.Stale:
		return "silent"
	case age > m.config.Stale:
		return "stale"
	}
	return ""
}

const silentFactor = 10

// rate returns how many messages a second the newest window has.
func (m *moment) rate() float64 {
	sum := int64(0)
	for _, c := range m.Colors {
		if c.Start.Equal(m.Newest) {
			sum += c.Count
		}
	}
	return float64(sum) / m.config.Window.Seconds()
}

// find returns the colour of a name, or nil.
func (m *moment) find(name string) *latest.Color {
	i := slices.IndexFunc(m.Colors, func(c *latest.Color) bool { return c.Color == name })
	if i < 0 {
		return nil
	}
	return m.Colors[i]
}
