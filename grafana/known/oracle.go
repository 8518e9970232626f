package known

import (
	"maps"
	"time"

	"colorstream/influxdb/series"
)

// A Row is one row of an answer: columns and group key together. Null is nil.
type Row map[string]any

// Oracle answers for points, all of a time range.
type Oracle struct {
	Points      []series.Point // in order of time
	Samples     Samples        // of the programs' metrics
	Start, Stop time.Time      // the range, half open
	Every       time.Duration  // the step of charts
}

// in returns the points in the range that keep says yes to.
func (o Oracle) in(keep func(series.Point) bool) []series.Point {
	var out []series.Point
	for _, p := range o.Points {
		if !p.Start.Before(o.Start) && p.Start.Before(o.Stop) && keep(p) {
			out = append(out, p)
		}
	}
	return out
}

func all(series.Point) bool          { return true }
func incomplete(p series.Point) bool { return !p.Complete }

func of(color string) func(series.Point) bool {
	return func(p series.Point) bool { return p.Color == color }
}

// A step is one step of a chart; its points may be none.
type step struct {
	at     time.Time
	points []series.Point
}

// steps cuts the range at multiples of the step since 1970. The first begins
// with the range.
func (o Oracle) steps(points []series.Point) []step {
	var out []step
	for at := o.Start.Truncate(o.Every); at.Before(o.Stop); at = at.Add(o.Every) {
		s := step{at: at}
		if s.at.Before(o.Start) {
			s.at = o.Start
		}
		for len(points) > 0 && points[0].Start.Before(at.Add(o.Every)) {
			s.points, points = append(s.points, points[0]), points[1:]
		}
		out = append(out, s)
	}
	return out
}

// chart returns one row a step of one colour: what sum up says of the step's
// points, or null if there are none and empty is true.
func (o Oracle) chart(color string, sumUp func([]series.Point) any, empty bool, key Row) []Row {
	points := o.in(of(color))
	if len(points) == 0 {
		return nil
	}
	var out []Row
	for _, s := range o.steps(points) {
		row := Row{"_time": s.at, "_value": nil}
		maps.Copy(row, key)
		if len(s.points) > 0 {
			row["_value"] = sumUp(s.points)
		} else if !empty {
			continue
		}
		out = append(out, row)
	}
	return out
}

// Statistics of a step's points.
func mean(field func(series.Point) float64) func([]series.Point) any {
	return func(points []series.Point) any {
		sum := 0.0
		for _, p := range points {
			sum += field(p)
		}
		return sum / float64(len(points))
	}
}

func smallest(points []series.Point) any {
	least := points[0].Min
	for _, p := range points {
		least = min(least, p.Min)
	}
	return least
}

func largest(points []series.Point) any {
	most := points[0].Max
	for _, p := range points {
		most = max(most, p.Max)
	}
	return most
}

func messages(points []series.Point) any {
	sum := int64(0)
	for _, p := range points {
		sum += p.Count
	}
	return sum
}

func firstMean(points []series.Point) any { return points[0].Mean }

func meanOf(p series.Point) float64   { return p.Mean }
func medianOf(p series.Point) float64 { return p.Median }
