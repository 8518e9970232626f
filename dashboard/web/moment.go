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
	"colorstream/influxdb/series"
)

// A moment is what the page knows at one time. What is made of it is made when it is first asked
// for, and once.
type moment struct {
	latest.Snapshot
	config Config
	row    *template.Template
	now    time.Time

	mu     sync.Mutex
	orders map[[3]string][]*latest.Color // guarded by mu, as is the next
	rows   map[rowKey]string
}

type rowKey struct {
	color *latest.Color
	stat  series.Statistic
}

func newMoment(s latest.Snapshot, c Config, row *template.Template, now time.Time) *moment {
	if len(s.Statistics) == 0 {
		s.Statistics = standard()
	}
	return &moment{
		Snapshot: s, config: c, row: row, now: now,
		orders: make(map[[3]string][]*latest.Color), rows: make(map[rowKey]string),
	}
}

// A table is what a view shows at a moment.
type table struct {
	colors    []*latest.Color
	page      int
	pages     int
	found     int
	attention int
}

// table looks at the moment through a view.
func (m *moment) table(v view) table {
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
	t := table{found: len(order), pages: max(1, (len(order)+v.Size-1)/v.Size)}
	if t.page = min(v.Page, t.pages-1); v.First {
		t.page = v.Page % t.pages
	}
	begin := t.page * v.Size
	t.colors = order[begin:min(begin+v.Size, len(order))]
	for _, c := range m.Colors {
		if m.late(c) != "" || !c.Complete {
			t.attention++
		}
	}
	return t
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
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.orders[key] == nil {
		sign := map[bool]int{false: 1, true: -1}[down]
		m.orders[key] = slices.Clone(m.Colors)
		slices.SortStableFunc(m.orders[key], func(a, b *latest.Color) int {
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
	return m.orders[key]
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
