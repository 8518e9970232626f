package source

import (
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cases are files as people have them, and what must be set for them. What must come of each is in
// expected.csv, computed by a naive program.
var cases = map[string]Options{
	"f10-no-colour.csv":  {Color: "=tank", Value: "level"},
	"f10-no-header.csv":  {Color: "1", Value: "2", Time: "3"},
	"f10-berlin.csv":     {Zone: "Europe/Berlin"},
	"f10-day-first.csv":  {TimeFormat: "day-first"},
	"f10-day-only.csv":   {TimeFormat: "day-first"},
	"f10-dotted-day.csv": {TimeFormat: "day-first"},
	"f10-nested.jsonl":   {Color: "tags.color", Value: "data.value"},
	"f5-years.csv":       {History: true},
}

// Every file gives the windows of a naive program, whatever the order of its rows.
func TestFilesAsTheyAre(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/files/expected.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string][]string)
	for _, cells := range table[1:] {
		var numbers [5]float64
		if _, err := fmt.Sscan(strings.Join(cells[3:], " "), &numbers[0], &numbers[1], &numbers[2],
			&numbers[3], &numbers[4]); err != nil {
			t.Fatal(err)
		}
		want[cells[0]] = append(want[cells[0]], point(cells[1], cells[2], numbers))
	}
	files, err := filepath.Glob("testdata/files/*")
	if err != nil || len(files) < 30 || len(files) != len(want)+1 {
		t.Fatalf("%d files, %d are expected: %v", len(files), len(want), err)
	}
	for name, points := range want {
		slices.Sort(points)
		in, rows, err := OpenOrdered(t.Context(), "testdata/files/"+name, nil, cases[name], 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := windows(rows)
		if diff := cmp.Diff(points, got); diff != "" || err != nil {
			t.Errorf("%s: %v, -want +got\n%s", name, err, diff)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
}

// windows are the points of 5 s that a naive program makes. Times must not go backwards.
func windows(rows iter.Seq2[Record, error]) ([]string, error) {
	values := make(map[[2]string][]float64)
	var last time.Time
	for r, err := range rows {
		if err == nil && r.Rejected != nil {
			err = errors.New(r.Problem())
		}
		if err != nil {
			return nil, err
		}
		if r.Time.Before(last) {
			return nil, fmt.Errorf("line %d is before %s", r.Line, last)
		}
		last = r.Time
		key := [2]string{r.Color, r.Time.Truncate(5 * time.Second).Format(time.RFC3339)}
		values[key] = append(values[key], r.Value)
	}
	var points []string
	for key, v := range values {
		slices.Sort(v)
		sum := 0.0
		for _, x := range v {
			sum += x
		}
		n := len(v)
		median := (v[(n-1)/2] + v[n/2]) / 2
		points = append(points,
			point(key[0], key[1], [5]float64{sum / float64(n), median, v[0], v[n-1], float64(n)}))
	}
	slices.Sort(points)
	return points, nil
}

// point has numbers as such: 10.0 is 10.
func point(color, window string, numbers [5]float64) string {
	return fmt.Sprintf("%s %s %.9g", color, window, numbers)
}
