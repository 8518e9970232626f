package web

import (
	"embed"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/dashboard/latest"
)

//go:embed document.go
var sources embed.FS

var tags = regexp.MustCompile(`<[^>]*>`)

// rows returns the texts of the table's rows.
func rows(page string) []string {
	body := page[strings.Index(page, "<tbody>"):strings.Index(page, "</tbody>")]
	var list []string
	for row := range strings.SplitSeq(body, "<tr ") {
		if _, cells, ok := strings.Cut(row, ">"); ok {
			text := strings.ReplaceAll(strings.ReplaceAll(cells, "</td>", " "), "</th>", " ")
			if text = strings.Join(strings.Fields(tags.ReplaceAllString(text, "")), " "); text != "" {
				list = append(list, text)
			}
		}
	}
	return list
}

func TestPageWithoutScript(t *testing.T) {
	s, _ := newServer(t, colors()...)
	page := get(t, s, "/").Body.String()
	marks := "staleincompletemedian ≈ "
	want := []string{
		"&lt;img src=x onerror=alert(1)&gt;" + marks + "2.00 2.00 0.50 12 –unknown 4 2 s",
		"blue" + marks + "1,234.5 1,234.5 1,233 1,244.5 –unknown 4 2 s",
		"green" + marks + "3.00 3.00 1.50 13 –unknown 4 60 min",
		"red" + marks + "42.50 42.50 41 52.50 ▲up 2.50 4 2 s",
	}
	if diff := cmp.Diff(want, rows(page)); diff != "" {
		t.Error(diff)
	}
	for _, want := range []string{
		`<tr data-color="green" class="stale `, `<tr data-color="blue" class="incomplete approximate"`,
		`data-status="Live"`, "Grafana is away", `href="http://grafana.example:3000/d/colors?from=now-15m&amp;to=now"`,
		`<meta http-equiv="refresh" content="5">`, `<th scope="col" data-column="color" aria-sort="ascending">`,
		`srcset="/chart.svg?stat=mean&amp;range=15m&amp;theme=dark"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	for _, unwanted := range []string{"<img src=x", " style=", "<style", "onclick", "javascript:"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("the page has %s", unwanted)
		}
	}
	if strings.Count(page, "<script") != 1 {
		t.Error("there is a script in the page's markup")
	}
}

func TestPageRemembersSettings(t *testing.T) {
	s, _ := newServer(t, colors()...)
	page := get(t, s, "/?stat=max&range=6h&theme=dark&sort=mean&dir=desc").Body.String()
	for _, want := range []string{
		`data-theme="dark"`, `id="tab-max" href="/?dir=desc&amp;range=6h&amp;sort=mean&amp;stat=max&amp;theme=dark"`,
		`aria-labelledby="tab-max"`, `src="/chart.svg?stat=max&amp;range=6h&amp;theme=dark"`, "from=now-6h",
		`data-column="mean" aria-sort="descending"`, `href="/?range=6h&amp;sort=mean&amp;stat=max&amp;theme=dark" data-sort="mean"`,
		`▲</span><span class="hidden word">up </span><span class="by">2.50`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	var order []string
	for _, row := range rows(page) {
		order = append(order, row[:3])
	}
	if diff := cmp.Diff([]string{"blu", "red", "gre", "&lt"}, order); diff != "" {
		t.Error(diff)
	}
	if nonsense := get(t, s, `/?stat="><script>&range=1y&theme=x&sort=y`).Body.String(); !strings.Contains(nonsense, `id="tab-mean" href="/"`) {
		t.Error("nonsense in the address is not taken for the standard")
	}
}

func TestPageTellsWhatIsWrong(t *testing.T) {
	s, b := newServer(t)
	status := func(want string) {
		t.Helper()
		if page := get(t, s, "/").Body.String(); !strings.Contains(page, `data-status="`+want+`"`) {
			t.Errorf("the page's status is not %s", want)
		}
	}
	status("Waiting")
	b.set(func(s *latest.Snapshot) {
		s.Colors = []latest.Color{{Point: point("red", time.Now().Add(-time.Minute), 1)}}
		s.Newest = s.Colors[0].Start
	})
	status("Stale")
	b.set(func(s *latest.Snapshot) { s.Failure = errors.New("secret http://influxdb:8086") })
	status("No answer")
	page := get(t, s, "/").Body.String()
	if !strings.Contains(page, "InfluxDB cannot be read") || strings.Contains(page, "secret") {
		t.Error("the page does not say what is wrong, or too much")
	}
}

func TestFormat(t *testing.T) {
	check := func(f float64, want string) {
		t.Helper()
		if got := formatNumber(f); got != want {
			t.Errorf("%v is %s, want %s", f, got, want)
		}
	}
	check(0, "0.00")
	check(42.5, "42.50")
	check(50.125, "50.13")
	check(-50.125, "-50.13")
	check(1.005, "1.00") // it is a little less
	check(999.99, "999.99")
	check(-1234.56, "-1,234.6")
	check(99999.9, "99,999.9")
	check(1234567.8, "1,234,568")
	check(123456789, "1.235e8")
	check(1.7e308, "1.700e308")
	check(0.00012, "1.200e-4")
	check(-0.0045, "-4.500e-3")
	for f, want := range map[float64]string{100: "100", -3: "-3", 12345: "12,345", 2.5: "2.50", 1e21: "1.000e21", math.Copysign(0, -1): "0"} {
		if got := formatExtreme(f); got != want {
			t.Errorf("the extreme %v is %s, want %s", f, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 99 * time.Second: "99 s", 100 * time.Second: "1 min", 100 * time.Minute: "1 h", 47 * time.Hour: "47 h", 80 * time.Hour: "3 d",
	} {
		if got := formatAge(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

func FuzzFormat(f *testing.F) {
	f.Add(1.5)
	f.Fuzz(func(t *testing.T, value float64) {
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return
		}
		if text := formatNumber(value); len(text) > 10 {
			t.Errorf("%v is %s: too long for its column", value, text)
		}
	})
}
