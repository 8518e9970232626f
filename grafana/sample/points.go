// Package sample makes points and metrics as a running Colorstream leaves them in InfluxDB: for the
// command lint, which runs the dashboards' queries on them, and for tests.
//
// The points are a stream as it is: colours without a message in a window, an hour in which nothing
// was received, windows that are not complete, a colour that went silent, a name with a comma and
// spaces. The same arguments give the same data.
package sample

import (
	"math/rand/v2"
	"slices"
	"time"

	"colorstream/influxdb/series"
)

// Window is the length of a window.
const Window = 5 * time.Second

// Odd is a name that is easily quoted wrongly.
const Odd = `dark, deep "red"/=.*`

// Colors are all names, in the order of InfluxDB.
func Colors() []string { return []string{"blue", Odd, "green", "red", "yellow"} }

// silence is how long before the end green has its last message.
const silence = 4 * time.Minute

// Points returns the points of length before end, in order of time.
func Points(end time.Time, length time.Duration) []series.Point {
	r := rand.New(rand.NewPCG(1, 2))
	end = end.Truncate(Window)
	gap := end.Add(-length / 2)
	var out []series.Point
	for at := end.Add(-length); at.Before(end); at = at.Add(Window) {
		if !at.Before(gap) && at.Before(gap.Add(time.Hour)) && length > 3*time.Hour {
			continue
		}
		// Broken connections: one now and then, and a bad minute near the end.
		complete := r.IntN(300) != 0 &&
			(at.Before(end.Add(-5*time.Minute)) || !at.Before(end.Add(-4*time.Minute)))
		for _, color := range Colors() {
			messages := r.IntN(6)
			if messages == 0 || color == "green" && !at.Before(end.Add(-silence)) {
				continue
			}
			out = append(out, point(r, color, at, messages, complete))
		}
	}
	return out
}

func point(r *rand.Rand, color string, at time.Time, messages int, complete bool) series.Point {
	values := make([]float64, messages)
	sum := 0.0
	for i := range values {
		values[i] = float64(1+r.IntN(10000)) / 100
		sum += values[i]
	}
	slices.Sort(values)
	return series.Point{
		Color: color, Start: at, Complete: complete, Count: int64(messages), Sum: sum,
		Statistics: series.DefaultStatistics(), Values: []float64{
			sum / float64(messages), (values[(messages-1)/2] + values[messages/2]) / 2,
			values[0], values[messages-1],
		},
	}
}

// Lines returns points as line protocol.
func Lines(points []series.Point) []byte {
	var out []byte
	for _, p := range points {
		out = append(p.AppendLine(out), '\n')
	}
	return out
}
