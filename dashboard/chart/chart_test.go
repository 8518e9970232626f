package chart

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/dashboard/influx"
)

var update = flag.Bool("update", false, "write the golden pictures anew")

var epoch = time.Unix(1760000400, 0).UTC()

// waves are four colours over 15 minutes. Yellow is silent for two minutes, blue for ten seconds.
func waves() Picture {
	p := Picture{
		Statistic: "mean", From: epoch, To: epoch.Add(15 * time.Minute), Step: 5 * time.Second, Gap: 30 * time.Second,
		Width: 960, Height: 400,
	}
	for k, color := range []string{"blue", "green", "red", "yellow"} {
		line := influx.Line{Color: color}
		for i := range 180 {
			if color == "yellow" && i >= 90 && i < 114 || color == "blue" && (i == 40 || i == 41) {
				continue
			}
			value := 50 + 12*float64(k-1) + 8*math.Sin(float64(i)/9+float64(k)) + 3*math.Sin(float64(i*(k+2)))
			line.Values = append(line.Values, influx.Value{Time: epoch.Add(time.Duration(i) * p.Step), Value: value})
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}

func draw(t *testing.T, p Picture) []byte {
	t.Helper()
	picture, err := Draw(p)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return picture
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, picture)
		}
		if e, ok := token.(xml.StartElement); ok && !strings.Contains(" svg path text rect circle g style title ", " "+e.Name.Local+" ") {
			t.Errorf("element <%s> in the picture", e.Name.Local)
		}
	}
}

func TestGolden(t *testing.T) {
	check := func(name string, change func(*Picture)) {
		t.Helper()
		p := waves()
		change(&p)
		got := draw(t, p)
		path := filepath.Join("testdata", name+".svg")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not the same any more (%v): look at it after `go test ./chart -update`", path, err)
		}
	}
	check("light", func(*Picture) {})
	check("dark", func(p *Picture) { p.Dark = true; p.Zone = time.FixedZone("Europe/Berlin", 7200) })
	check("narrow", func(p *Picture) { p.Width, p.Height, p.Note = 340, 260, "InfluxDB does not answer" })
	check("nothing", func(p *Picture) { p.Lines = nil })
}

func TestGapsStayGaps(t *testing.T) {
	p := waves()
	nulls := func(color int) (n int) {
		for _, v := range spread(p.Lines[color], p, 180) {
			if v > 1e300 {
				n++
			}
		}
		return n
	}
	if got := nulls(3); got != 25 { // and the end of the axis
		t.Errorf("yellow's two minutes of silence: %d steps are broken, want 24 and the end", got)
	}
	if got := nulls(0); got != 1 {
		t.Errorf("blue's ten seconds: %d steps are broken, want the end only", got)
	}
	straight := influx.Line{Values: []influx.Value{{Time: epoch, Value: 1}, {Time: epoch.Add(15 * time.Second), Value: 4}}}
	if diff := cmp.Diff([]float64{1, 2, 3, 4}, spread(straight, p, 3)); diff != "" {
		t.Error(diff)
	}
	outside := influx.Line{Values: []influx.Value{{Time: epoch.Add(-time.Second), Value: 1}, {Time: epoch.Add(time.Hour), Value: 4}}}
	if got := spread(outside, p, 2); got[0] < 1e300 || got[1] < 1e300 {
		t.Errorf("values outside the range are drawn: %v", got)
	}
}

func TestHostileAndHugeData(t *testing.T) {
	p := waves()
	p.Lines[0].Color = `<script>alert(1)</script>"'&]]>`
	p.Lines[1].Values[3].Value = 1e300
	p.Lines[2].Values[3].Value = -1e-300
	picture := draw(t, p)
	if bytes.Contains(picture, []byte("<script")) {
		t.Error("a colour's name is markup in the picture")
	}
	one := Picture{
		Statistic: "max", From: epoch, To: epoch.Add(5 * time.Second), Step: 5 * time.Second, Width: 400, Height: 300,
		Lines: []influx.Line{{Color: "red", Values: []influx.Value{{Time: epoch, Value: 7}}}},
	}
	draw(t, one)
	many := waves()
	for range 200 {
		many.Lines = append(many.Lines, waves().Lines[0])
	}
	if got := draw(t, many); !bytes.Contains(got, []byte("144 more colours")) {
		t.Error("the picture does not tell of the colours that it leaves out")
	}
}

func TestScale(t *testing.T) {
	check := func(low, high float64, labels int, want ...string) {
		t.Helper()
		s := newScale(low, high, labels)
		var got []string
		for i := range s.labels {
			got = append(got, s.format(s.low+(s.high-s.low)*float64(i)/float64(s.labels-1)))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v to %v: %s", low, high, diff)
		}
		if s.low > low || s.high < high {
			t.Errorf("%v to %v: the axis %v to %v cuts something off", low, high, s.low, s.high)
		}
	}
	check(27.3, 85.1, 7, "20", "30", "40", "50", "60", "70", "80", "90")
	check(1, 100, 4, "0", "50", "100")
	check(-0.31, 0.12, 5, "-0.4", "-0.3", "-0.2", "-0.1", "0.0", "0.1", "0.2")
	check(50, 50, 3, "45", "50", "55")
	check(1e300, 3e300, 2, "0", "1e+300", "2e+300", "3e+300")
	check(0, 0, 2, "-1", "0", "1")
}

func TestDivisions(t *testing.T) {
	for _, c := range [][3]int{{180, 8, 6}, {60, 3, 3}, {240, 8, 8}, {13, 6, 1}, {180, 0, 1}} {
		if got := divisions(c[0], c[1]); got != c[2] {
			t.Errorf("%d steps in up to %d parts: %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
