package source

import (
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

// Every file gives the windows of a naive program, as it is, in any order of its rows.
func TestFilesAsTheyAre(t *testing.T) {
	t.Parallel()
	want := make(map[string][]string)
	for _, cells := range readTable(t, "testdata/files/expected.csv")[1:] {
		// Windows are compared as numbers: 10.0 is 10.
		want[cells[0]] = append(want[cells[0]], point(cells[1], cells[2], numbers(t, cells[3:])...))
	}
	if len(want) < 30 {
		t.Fatalf("only %d cases", len(want))
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
	files, err := filepath.Glob("testdata/files/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := filepath.Base(file); want[name] == nil && name != "expected.csv" {
			t.Errorf("%s is not expected", name)
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
			point(key[0], key[1], sum/float64(n), median, v[0], v[n-1], float64(n)))
	}
	slices.Sort(points)
	return points, nil
}

func point(color, window string, numbers ...float64) string {
	return fmt.Sprintf("%s %s %.9g", color, window, numbers)
}

func numbers(t *testing.T, cells []string) (list []float64) {
	for _, c := range cells {
		f, err := strconv.ParseFloat(c, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

func readTable(t *testing.T, path string) [][]string {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
