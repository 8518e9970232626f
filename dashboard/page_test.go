package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

const hostile = `"><img src=x onerror="window.harmed=true">${7*7}&amp;;}*{display:none`

const names = `[...document.querySelectorAll("tbody .name")].map((e) => e.textContent).join("|")`

// drawn tells whether the page's own chart is there.
const drawn = `document.querySelector("#drawing .main")`

func TestPageLoadsAndFollows(t *testing.T) {
	t.Parallel()
	s := newStack(t, "DASHBOARD_STALE=4", noGrafana)
	b := newTab(t) // it takes a while, in which windows become stale
	s.write(t, point("red", 1, 40), point("red", 0, 42), point("blue", 0, 7), point(hostile, 0, 1))
	b.open(s.URL)
	b.await(cell("red", "main") + ` === "42.00"`)
	b.await(`$("status").dataset.state === "live" && ` + drawn)

	// Values change in their places when new windows are written, and nothing moves.
	b.js(`window.shifts = [], new PerformanceObserver((list) => {
		for (const e of list.getEntries()) window.shifts.push([e.value, ...e.sources.map((s) => s.node?.outerHTML?.slice(0, 99) ?? s.node?.data)]);
	}).observe({ type: "layout-shift" })`)
	for i := range 3 {
		mean := 50 + float64(i)*7.25
		s.write(t, point("red", 0, mean), point(hostile, 0, mean*100))
		b.await(cell("red", "main") + ` === "` + fmt.Sprintf("%.2f", mean) + `"`)
		time.Sleep(width) // the next window
	}
	if shifts := eval[string](b, `JSON.stringify(shifts.reduce((sum, [by]) => sum + by, 0) > 0.01 ? shifts : [])`); shifts != "[]" {
		t.Errorf("the layout shifted: %s", shifts)
	}
	// A colour that was not there before; and what anyone may have sent is text.
	s.write(t, point("green", 0, 3))
	b.await(cell("green", "main") + ` === "3.00"`)
	b.await(names + ` === ` + quoted(hostile+"|blue|green|red"))
	b.js(`document.querySelector("tbody .name").click()`)
	b.await(`document.querySelector("#picked span").textContent === ` + quoted(hostile) + ` && ` +
		drawn)
	b.js(`$("chart").focus()`)
	b.key(kb.ArrowLeft)
	b.await(`$("tip").textContent.includes(` + quoted(hostile) + `)`)
	if eval[bool](b, `Boolean(window.harmed) || document.querySelector("img[onerror]") !== null`) {
		t.Error("a colour's name was executed")
	}
	// They go stale by themselves.
	b.await(`document.querySelector("tr[data-color=blue]").className.includes("stale")`)
	b.await(`$("status").dataset.state === "stale" && document.title.startsWith("No new data")`)
}

// The worker is told to compute other statistics: an open page shows them by itself.
func TestOtherStatistics(t *testing.T) {
	t.Parallel()
	s := newStack(t, noGrafana)
	s.write(t, point("red", 1, 40))
	b := newTab(t)
	b.open(s.URL + "/?color=red")
	b.await(cell("red", "main") + ` === "40.00"`)
	p := point("red", 0, 0)
	p.Statistics, p.Values = series.Statistics{"p99.9", series.StdDev}, []float64{77.5, 3.25}
	s.write(t, p)
	b.await(cell("red", `stddev`) + ` === "3.25" && ` + cell("red", `p99\\.9`) + ` === "77.50" && ` +
		cell("red", "main") + ` === "–" && ` + drawn)
	b.choose("stat", "p99.9")
	b.await(drawn + ` && document.querySelector("#figures").textContent.includes("77.50 p99.9")`)
	b.js(`$("chart").focus()`)
	b.key(kb.ArrowLeft)
	b.await(`$("read").textContent.includes("red p99.9 77.5")`)
	b.js(`document.querySelector("#numbers summary").click()`)
	b.await(`[...document.querySelectorAll("#numbers tr")].some((tr) => tr.innerText.includes("77.5"))`)
}

// Every number on the page is InfluxDB's: in the table, in the sparkline and in the chart, gaps
// included.
func TestNumbersAreInfluxDBs(t *testing.T) {
	t.Parallel()
	s := newStack(t, noGrafana)
	var points []series.Point
	for ago := range 40 {
		if ago%7 == 3 {
			continue
		}
		for _, color := range []string{"red", "a, b=c"} {
			p := point(color, ago, 1000*rand.NormFloat64())
			mean := p.Values[0]
			p.Values = []float64{
				mean, mean + rand.Float64(), mean - 1e3*rand.Float64(),
				mean + 1e3*rand.Float64(),
			}
			p.Count = rand.Int64N(1e6)
			p.Complete = ago%11 != 5
			points = append(points, p)
		}
	}
	s.write(t, points...)
	b := newTab(t)
	b.open(s.URL + "/?range=5m&color=red")
	b.await(drawn)
	text := func(v float64) string {
		if math.Abs(v) < 999.995 {
			return fmt.Sprintf("%.2f", v)
		}
		digits := fmt.Sprintf("%.1f", v)
		cut := len(digits) - len("000.0")
		return digits[:cut] + "," + digits[cut:]
	}
	for _, row := range s.db.Query(t,
		`from(bucket: "`+s.db.Bucket+
			`") |> range(start: -1h) |> filter(fn: (r) => r._field != "sum" and r._field != "complete") |> last()`) {
		color, field := row["color"].(string), row["_field"].(string)
		want := ""
		if field == series.Median {
			field = "main"
		}
		switch v := row["_value"].(type) {
		case float64:
			want = text(v)
		case int64:
			want = eval[string](b, fmt.Sprintf(`(%d).toLocaleString("en")`, v))
		}
		if got := eval[string](b, cell(color, field)); got != want {
			t.Errorf("the %s of %s is %q, InfluxDB has %q", field, color, got, want)
		}
	}
	// The chart's values, as the crosshair reads them.
	b.js(`zoom(newest - 59 * width, newest + width)`)
	b.await(`plot.step_ms === 1000`)
	type values struct {
		Start                  []float64
		Median, Mean, Min, Max []*float64
		Count                  []*float64
		Complete               []*bool
	}
	got := eval[values](b, `(({start_ms, series}) => ({Start: start_ms, ...Object.fromEntries(Object.entries(series.at(-1)).map(([k, v]) => [k[0].toUpperCase() + k.slice(1), v]))}))(plot)`)
	index := make(map[float64]int)
	for i, start := range got.Start {
		index[start] = i
	}
	whole, gaps := 0, 0
	for _, v := range got.Median {
		if v == nil {
			gaps++
		}
	}
	for _, row := range s.db.Query(t,
		`from(bucket: "`+s.db.Bucket+`") |> range(start: -1h) |> filter(fn: (r) => r.color == "red")`) {
		i, ok := index[float64(row["_time"].(time.Time).UnixMilli())]
		if !ok {
			t.Errorf("the chart has no %v", row["_time"])
			continue
		}
		same := true
		switch v := row["_value"].(type) {
		case float64:
			list := map[string][]*float64{
				"mean": got.Mean, "median": got.Median, "min": got.Min,
				"max": got.Max,
			}[row["_field"].(string)]
			same = list == nil || list[i] != nil && *list[i] == v // the page does not show the sum
		case int64:
			same = got.Count[i] != nil && *got.Count[i] == float64(v)
		case bool:
			same = got.Complete[i] != nil && *got.Complete[i] == v
		}
		if !same {
			t.Errorf("the chart's %v at %v is not InfluxDB's %v", row["_field"], row["_time"], row["_value"])
		}
		whole++
	}
	if want := len(got.Start) - len(points)/2; gaps != want || whole < 7*len(points)/2 {
		t.Errorf("%d gaps, want %d; %d values", gaps, want, whole)
	}
	// The sparkline has a point for each window and begins anew behind each gap.
	path := eval[string](b, `document.querySelector("tr[data-color=red] .spark path").getAttribute("d")`)
	if moves, all := strings.Count(path, "M"), strings.Count(path, "M")+strings.Count(path, "L"); moves < 6 || moves > 7 || all != len(points)/2 {
		t.Errorf("the sparkline has %d runs and %d points: %s", moves, all, path)
	}
}

func TestChoicesByMouseAndKeyboard(t *testing.T) {
	t.Parallel()
	s := newStack(t, noGrafana)
	for ago := range 100 {
		s.write(t, point("red", ago, 40), point("blue", ago, 7), point("green", ago, 90))
	}
	b := newTab(t)
	b.prefer("dark")
	b.open(s.URL)
	b.await(drawn)
	address := func(want string) {
		t.Helper()
		b.await(`location.pathname + location.search === ` + quoted(want))
	}
	b.do(chromedp.Focus(chromedp.CSS(`.h-median button`)))
	b.key(kb.Enter)
	b.await(names + ` === "green|red|blue" && document.querySelector(".h-median").ariaSort === "descending"`)
	b.key(kb.Enter)
	b.await(names + ` === "blue|red|green"`)
	address("/?sort=median")
	b.js(`dispatchEvent(new KeyboardEvent("keydown", { key: "/", cancelable: true }))`)
	b.key("r", "e")
	b.await(names + ` === "red|green" && $("found").textContent === "2 of 3 colours"`)
	b.click(`tr[data-color=green] .c-main`)
	b.await(`document.querySelector("#picked span").textContent === "green" && document.querySelector("tr.picked").dataset.color === "green"`)
	b.click(`input[value="1h"] + span`)
	address("/?sort=median&q=re&color=green&range=1h")
	// The address remembers all of it.
	b.do(chromedp.Reload())
	b.await(names + ` === "red|green" && document.querySelector("#picked span").textContent === "green" && ` + drawn)
	if got := eval[string](b, `document.querySelector("[name=range]:checked").value + $("search").value`); got != "1hre" {
		t.Errorf("after a reload: %s", got)
	}

	// The chart by keyboard: values are read, and a screen reader hears them.
	b.js(`document.querySelector('input[value="5m"]').click(), $("chart").focus()`)
	b.await(`Math.floor((plot.to_ms - plot.from_ms) / 4000) === 75`)
	b.key(kb.ArrowLeft, kb.ArrowLeft)
	b.await(`/green median 90, min 89, max 91, count 6/.test($("read").textContent)`)
	b.key("+")
	b.await(`plot.to_ms - plot.from_ms === 150000 && !$("live").hidden`)
	b.key(kb.Escape)
	b.await(`Math.floor((plot.to_ms - plot.from_ms) / 4000) === 75 && $("live").hidden && $("tip").hidden`)
	// Drag to zoom.
	b.await(`plot.step_ms === 2000`) // 300 windows are more than are drawn
	b.js(`(() => {
		const box = chart.getBoundingClientRect();
		const at = (type, share) => chart.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerId: 1, pointerType: "mouse", button: 0, clientX: box.left + plot.left + share * (plot.right - plot.left), clientY: box.top + 50 }));
		chart.setPointerCapture = () => {};
		at("pointerdown", 0.8); at("pointermove", 0.9); at("pointerup", 0.9);
	})()`)
	b.await(`zoomed && plot.to_ms - plot.from_ms < 40000 && plot.step_ms === 1000`)
	b.js(`$("numbers").open = true`)
	b.await(`document.querySelectorAll("#numbers tbody tr").length > 20`)

	// The theme: the system's, then the reader's own.
	background := `getComputedStyle(document.documentElement).backgroundColor`
	dark := eval[string](b, background)
	b.prefer("light")
	b.await(background + ` !== ` + quoted(dark))
	b.click("#theme", "#theme")
	b.await(background + ` === ` + quoted(dark))
	address("/?sort=median&q=re&color=green&range=5m&theme=dark")

	// The tab key reaches everything that can be seen and used, and where it is can be seen too; the
	// first is the way to the table.
	controls := eval[int](b, `(() => {
		window.controls = new Set([...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")].filter((e) =>
			e.checkVisibility({ visibilityProperty: true }) && !e.disabled && e.type !== "hidden" && (e.type !== "radio" || e.checked)));
		document.activeElement.blur();
		scrollTo(0, 0);
		return controls.size;
	})()`)
	b.do(chromedp.Focus(chromedp.CSS(".skip")))
	for range controls + 5 {
		if hidden := eval[string](b, `(() => {
			const e = document.activeElement, ring = (e) => getComputedStyle(e).outlineStyle !== "none";
			controls.delete(e);
			return e === document.body || e.matches(".skip") || ring(e) || ring(e.parentNode) ? "" : e.outerHTML;
		})()`); hidden != "" {
			t.Errorf("it cannot be seen where the tab key is: %s", hidden)
		}
		b.key(kb.Tab)
	}
	if missed := eval[string](b, `[...controls].map((e) => e.outerHTML).join("\n")`); missed != "" || controls < 20 {
		t.Errorf("the tab key does not reach, of %d: %s", controls, missed)
	}
}

// A wall screen shows one page after the other; the space bar holds it.
func TestWallScreen(t *testing.T) {
	t.Parallel()
	s := newStackOn(t, filled(t, many(400)), noGrafana)
	b := newTab(t)
	b.size(1440, 900)
	b.open(s.URL + "/?kiosk=1")
	b.await(`body.rows.length > 3 && size < 100 && !$("pager").hidden`)
	page := `getComputedStyle($("page"), "::after").content`
	b.key(" ")
	b.await(`paused && ` + page + ` === '", paused"'`)
	b.key(" ")
	b.await(`!paused && ` + page + ` === "none"`)
	b.await(`state.page === "1" && $("page").textContent.startsWith(String(size + 1) + " to")`)
}

// Without a script the page works by links and forms, and shows the server's picture.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	s := newStack(t, noGrafana)
	s.write(t, point("red", 1, 40), point("red", 0, 42), point("blue", 0, 7), point("green", 0, 90))
	b := newTab(t)
	s.await(t, "/", `data-color="green"`)
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true})
	b.must(err)
	b.open(s.URL)
	b.await(names + ` === "blue|green|red"`)
	picture := `document.querySelector("#chart img").complete && document.querySelector("#chart img").naturalWidth > 0`
	b.await(picture)
	b.click(`.h-mean button`)
	b.await(names + ` === "green|red|blue"`)
	b.click(`tr[data-color=red] .name`)
	b.await(`document.querySelector("tr.picked")?.dataset.color === "red" && location.search.includes("sort=-mean") && ` + names + ` === "green|red|blue"`)
	b.do(chromedp.Focus(chromedp.ID("search")), chromedp.KeyEvent("re"), chromedp.KeyEvent(kb.Enter))
	b.await(names + ` === "green|red" && document.querySelector("#picked span").textContent === "red"`)
	b.await(picture)
}

func TestPanelComesAndGoes(t *testing.T) {
	t.Parallel()
	s := newStack(t, noGrafana)
	s.write(t, point("red", 1, 42), point("red", 0, 42), point("blue", 0, 42))
	b := newTab(t)
	b.expect("503", "502", "404")
	b.open(s.URL)
	b.await(drawn + ` && !$("hint").hidden && $("grafana").hidden`)
	frame := `JSON.stringify($("chart").getBoundingClientRect())`
	which := `document.querySelector("#chart iframe:not(.loading)")?.contentDocument?.getElementById("which")?.innerText`
	s.grafana.away.Store(false)
	b.await(which + ` === "2 now-15m 5s light"`)
	b.await(`$("hint").hidden && $("parts").textContent.includes("Grafana")`)
	place := eval[string](b, frame)
	b.choose("stat", "max")
	b.await(which + ` === "4 now-15m 5s light"`)
	// A picked colour has the page's own chart, and a way into Grafana and back.
	b.click(`tr[data-color=red] .name`)
	b.await(`!document.querySelector("#chart iframe") && document.querySelector("#picked span").textContent === "red" && ` + drawn)
	if got := eval[string](b, `$("grafana").href`); got != s.URL+"/d/color?var-color=red&from=now-15m&to=now" {
		t.Errorf("the way into Grafana is %s", got)
	}
	b.click("#all")
	b.await(which + ` === "4 now-15m 5s light"`)
	// An edited dashboard's panel is loaded anew.
	b.js(`document.querySelector("#chart iframe").old = true`)
	s.grafana.revision.Add(1)
	b.await(which + ` && !document.querySelector("#chart iframe").old && document.querySelectorAll("#chart iframe").length === 1`)

	s.grafana.away.Store(true)
	if took := b.await(`!document.querySelector("#chart iframe") && ` + drawn); took > 5*time.Second {
		t.Errorf("the page's own chart stands in after %v", took)
	}
	if now := eval[string](b, frame); now != place {
		t.Errorf("the chart's place moved from %s to %s", place, now)
	}
}

func TestInfluxDBGoesAndReturns(t *testing.T) {
	t.Parallel()
	s := newStackOn(t, influxtest.Start(t), "DASHBOARD_STALE=4", noGrafana)
	b := newTab(t)
	b.expect("503")
	s.write(t, point("red", 0, 42))
	b.open(s.URL)
	status := `$("status").dataset.state`
	b.await(cell("red", "main") + ` === "42.00" && ` + status + ` === "live"`)
	s.db.Stop(t)
	b.await(status + ` === "offline" && $("word").textContent.startsWith("InfluxDB does not answer")`)
	if got := eval[string](b, cell("red", "main")); got != "42.00" {
		t.Errorf("the last value became %s", got)
	}
	b.do(chromedp.Reload()) // also for someone who comes only now
	b.await(cell("red", "main") + ` === "42.00" && ` + status + ` === "offline"`)
	b.await(`document.querySelector("tr[data-color=red]").classList.contains("stale")`)
	s.db.Restart(t)
	s.write(t, point("red", 0, 43))
	b.await(cell("red", "main") + ` === "43.00" && ` + status + ` === "live"`)
}

// A proxy in front may show the page under a path, whether it takes the path away or not, and may
// keep event streams back.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	s := newStack(t, "DASHBOARD_PREFIX=/colors")
	s.write(t, point("red", 0, 42))
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, takes := range []bool{true, false} {
		way := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			if takes {
				r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/colors")
			}
			r.SetURL(target)
		}}
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case !strings.HasPrefix(r.URL.Path, "/colors/"):
				http.Error(w, "not ours", http.StatusTeapot)
			case r.URL.Path == "/colors/events" && takes:
				http.Error(w, "no streams here", http.StatusServiceUnavailable)
			default:
				way.ServeHTTP(w, r)
			}
		}))
		b := newTab(t)
		b.expect("503")
		b.open(front.URL + "/colors/")
		value := 70 + float64(len(front.URL)%7)
		s.write(t, point("red", 0, value))
		b.await(cell("red", "main") + fmt.Sprintf(` === "%.2f"`, value) +
			` && $("status").dataset.state === "live"`)
		b.await(`document.querySelector("#chart iframe:not(.loading)")?.contentDocument?.getElementById("which")`)
		b.open("about:blank")
		front.CloseClientConnections()
		front.Close()
		time.Sleep(width)
		s.write(t, point("red", 0, 1))
	}
}
