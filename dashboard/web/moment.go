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

	mu     sync.Mutex // guards the maps
	orders map[[3]string]func() []*latest.Color
	rows   map[rowKey]func() string
	events map[view]func() tableEvent
	frames map[frameKey]func() *live.Frame
}

type rowKey struct {
	color *latest.Color
	stat  series.Statistic
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
		orders:   make(map[[3]string]func() []*latest.Color), rows: make(map[rowKey]func() string),
		events: make(map[view]func() tableEvent), frames: make(map[frameKey]func() *live.Frame),
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

// maxViews bounds how many views' events and frames are kept: whoever asks for many makes the page
// slower, not larger.
const maxViews = 1000

// once makes a value unless it is there, of which there are at most as many.
func once[K comparable, V any](m *moment, values map[K]func() V, most int, key K, make func() V) V {
	m.mu.Lock()
	value := values[key]
	if value == nil {
		if len(values) >= most {
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
	order, words := m.order(v), strings.Fields(v.Search)
	if len(words) > 0 || v.Attention || v.First {
		var first, rest []*latest.Color
		for _, c := range order {
			switch needs := m.late(c) != "" || !c.Complete; {
			case !matches(c.Color, words), v.Attention && !needs:
			case v.First && needs:
				first = append(first, c)
			default:
				rest = append(rest, c)
			}
		}
		order = append(first, rest...)
	}
	e = tableEvent{
		Statistics: m.Statistics.String(), Found: len(order), Total: len(m.Colors),
		Pages: max(1, (len(order)+v.Size-1)/v.Size),
	}
	if e.Page = min(v.Page, e.Pages-1); v.First {
		e.Page = v.Page % e.Pages
	}
	for _, c := range m.Colors {
		if m.late(c) != "" || !c.Complete {
			e.Attention++
		}
	}
	begin := e.Page * v.Size
	return order[begin:min(begin+v.Size, len(order))], e
}

// matches reports whether a name contains all words.
func matches(name string, words []string) bool {
	name = strings.ToLower(name)
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(name, w) })
}

// order sorts all colours by a column, and those that are equal in it by name. Unknown changes come
// last.
func (m *moment) order(v view) []*latest.Color {
	column, down := strings.CutPrefix(v.Sort, "-")
	if v.Sort == "name" {
		return m.Colors
	}
	key := [3]string{v.Sort}
	if column == "change" {
		key[1] = string(v.Stat)
	}
	return once(m, m.orders, maxViews, key, func() []*latest.Color {
		sign := map[bool]int{false: 1, true: -1}[down]
		sorted := slices.Clone(m.Colors)
		slices.SortStableFunc(sorted, func(a, b *latest.Color) int {
			if column == "name" {
				return sign * strings.Compare(a.Color, b.Color)
			}
			x, y := value(a, column, v.Stat), value(b, column, v.Stat)
			if math.IsNaN(x) || math.IsNaN(y) {
				return cmp.Compare(y, x) // NaN is the smallest to it
			}
			return sign * cmp.Compare(x, y)
		})
		return sorted
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
	i, ok := slices.BinarySearchFunc(m.Colors, name, func(c *latest.Color, name string) int {
		return strings.Compare(c.Color, name)
	})
	if !ok {
		return nil
	}
	return m.Colors[i]
}
