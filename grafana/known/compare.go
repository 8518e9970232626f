package known

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"colorstream/grafana/query"
)

// tolerance is relative: sums may be added up in another order.
const tolerance = 1e-9

// Rows flattens an answer.
func Rows(tables []query.Table) []Row {
	var out []Row
	for _, t := range tables {
		for _, values := range t.Rows {
			row := Row{}
			for name, value := range t.Key {
				row[name] = value
			}
			for i, name := range t.Columns {
				row[name] = values[i]
			}
			// Where nothing else is left, Flux keeps what it counted over.
			delete(row, "_start")
			delete(row, "_stop")
			out = append(out, row)
		}
	}
	return out
}

// Compare tells in words how an answer differs, or returns "".
func Compare(want, got []Row) string {
	order(want)
	order(got)
	for i := range min(len(want), len(got)) {
		if !equal(want[i], got[i]) {
			return fmt.Sprintf("row %d of %d is {%s}, but must be {%s}", i+1, len(got), text(got[i]), text(want[i]))
		}
	}
	switch {
	case len(got) < len(want):
		return fmt.Sprintf("there are %d rows, but must be %d; {%s} is missing", len(got), len(want), text(want[len(got)]))
	case len(got) > len(want):
		return fmt.Sprintf("there are %d rows, but must be %d; {%s} is too much", len(got), len(want), text(got[len(want)]))
	}
	return ""
}

// order sorts rows by all that is not a measured number.
func order(rows []Row) {
	slices.SortStableFunc(rows, func(a, b Row) int { return strings.Compare(identity(a), identity(b)) })
}

func identity(row Row) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(row)) {
		switch value := row[name].(type) {
		case float64, int64, nil:
		case time.Time:
			fmt.Fprintf(&b, "%s=%020d ", name, value.UnixNano())
		default:
			fmt.Fprintf(&b, "%s=%v ", name, value)
		}
	}
	return b.String()
}

func equal(a, b Row) bool {
	return maps.EqualFunc(a, b, func(x, y any) bool {
		if x, ok := x.(time.Time); ok {
			y, ok := y.(time.Time)
			return ok && x.Equal(y)
		}
		if x, ok := x.(float64); ok {
			y, ok := y.(float64)
			return ok && math.Abs(x-y) <= tolerance*max(1, math.Abs(x), math.Abs(y))
		}
		return x == y
	})
}

func text(row Row) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(row)) {
		value := row[name]
		if at, ok := value.(time.Time); ok {
			value = at.UTC().Format(time.RFC3339Nano)
		}
		parts = append(parts, fmt.Sprintf("%s: %v", name, value))
	}
	return strings.Join(parts, ", ")
}
