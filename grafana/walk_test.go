package main

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"colorstream/grafana/grafanatest"
	"colorstream/grafana/sample"
	"colorstream/influxdb/influxtest"
)

// Every panel of every dashboard, as it is drawn.
func TestEveryPanelIsDrawn(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	g := grafanatest.Start(t, grafanatest.Options{Influx: db})
	fill(t, db, 30*time.Minute)
	db.Write(t, string(sample.Metrics(time.Now()).Lines()))
	grafanatest.Eventually(t, 30*time.Second, wantTitle(g, "color", "One colour"))
	ctx := grafanatest.Browser(t, 1500, 2000)

	pages := []struct {
		name, path string
		panels     int
	}{
		{"colors", "/d/colors/colours?kiosk", 11},
		{"color-red", "/d/color/one-colour?kiosk&var-color=red", 3},
		{"color-odd", "/d/color/one-colour?kiosk&var-color=" + url.QueryEscape(sample.Odd), 3},
		{"color-two", "/d/color/one-colour?kiosk&var-color=red&var-color=blue", 6},
		{"pipeline", "/d/pipeline/pipeline?kiosk", 16},
		{"solo", "/d-solo/colors/x?orgId=1&panelId=1&hideLogo=true", 1},
	}
	for _, theme := range []string{"dark", "light"} {
		for _, page := range pages {
			show(t, ctx, g, page.path, theme)
			grafanatest.Eventually(t, 40*time.Second, func() error {
				screen, err := grafanatest.Look(ctx)
				if err == nil {
					err = screen.Complaint(page.panels, false)
				}
				if err != nil {
					err = fmt.Errorf("%s in %s: %w", page.name, theme, err)
				}
				return err
			})
			grafanatest.Save(t, ctx, page.name+"-"+theme)
		}
	}
}

func show(t *testing.T, ctx grafanatest.Page, g *grafanatest.Server, path, theme string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(g.URL+path+"&from=now-15m&to=now&refresh=&_dash.hideTimePicker=true&theme="+theme)); err != nil {
		t.Fatal(err)
	}
}

// With nothing to show, panels say so in words, and none has an error.
func TestAnEmptyBucketIsNoError(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	g := grafanatest.Start(t, grafanatest.Options{Influx: db})
	grafanatest.Eventually(t, 30*time.Second, wantTitle(g, "color", "One colour"))
	ctx := grafanatest.Browser(t, 1500, 2000)
	for path, panels := range map[string]int{"/d/colors/colours?kiosk": 11, "/d/color/one-colour?kiosk": 3, "/d/pipeline/pipeline?kiosk": 16} {
		show(t, ctx, g, path, "dark")
		grafanatest.Eventually(t, 40*time.Second, func() error {
			screen, err := grafanatest.Look(ctx)
			if err != nil {
				return err
			}
			return screen.Complaint(panels, true)
		})
	}
}

// A click on a colour opens that colour, with the time range that was chosen.
func TestAColourLeadsToItsDashboard(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	g := grafanatest.Start(t, grafanatest.Options{Influx: db})
	fill(t, db, 30*time.Minute)
	grafanatest.Eventually(t, 30*time.Second, wantTitle(g, "color", "One colour"))
	ctx := grafanatest.Browser(t, 1500, 1500)
	if err := chromedp.Do(ctx, chromedp.Navigate(g.URL+"/d/colors/colours?kiosk&from=now-20m&to=now")); err != nil {
		t.Fatal(err)
	}
	follow := func(where, look string) {
		t.Helper()
		var href string
		grafanatest.Eventually(t, 40*time.Second, func() error {
			links, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](look))
			if err == nil && len(links) == 0 {
				err = fmt.Errorf("no link in the %s yet", where)
			}
			if err == nil {
				href = links[0]
			}
			return err
		})
		to, err := url.Parse(href)
		if err != nil {
			t.Fatal(err)
		}
		got := to.Query()
		if to.Path != "/d/color/one-colour" || got.Get("var-color") != sample.Odd ||
			got.Get("from") != "now-20m" && len(got.Get("from")) != 13 {
			t.Errorf("the %s links to %s", where, href)
		}
	}
	follow("table", `Array.from(document.querySelectorAll('a')).filter(a => a.innerText.startsWith('dark')).map(a => a.href)`)

	// On a chart, all others are hidden by a click on the legend. Then a dot marks the point that is
	// nearest to the mouse, and can be clicked.
	const chart = `const chart = Array.from(document.querySelectorAll('section')).find(s => s.innerText.startsWith('Messages per window')); `
	hide := `(() => { ` + chart + `Array.from(chart.querySelectorAll('button')).find(b => b.innerText.startsWith('dark')).click() })()`
	grafanatest.Eventually(t, 20*time.Second, func() error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[any](hide))
		if errors.Is(err, chromedp.ErrJSUndefined) {
			return nil
		}
		return err
	})
	middle := func(selector string) (x, y float64, err error) {
		at, err := chromedp.Run(ctx, chromedp.Evaluate[[]float64](`(() => { `+chart+`return Array.from(chart.querySelectorAll('`+selector+`'))
			.map(e => e.getBoundingClientRect()).filter(r => r.width > 0).flatMap(r => [r.x + r.width / 2, r.y + r.height / 2]) })()`))
		if err == nil && len(at) < 2 {
			err = fmt.Errorf("there is no %s", selector)
		}
		if err != nil {
			return 0, 0, err
		}
		return at[0], at[1], nil
	}
	grafanatest.Eventually(t, 20*time.Second, func() error {
		x, y, err := middle(".u-over")
		if err != nil {
			return err
		}
		if err := chromedp.Do(ctx, chromedp.MouseEvent(chromedp.MouseMoved, x, y)); err != nil {
			return err
		}
		if x, y, err = middle(".u-cursor-pt:not(.u-off)"); err != nil {
			return err
		}
		return chromedp.Do(ctx, chromedp.MouseEvent(chromedp.MouseMoved, x, y),
			chromedp.MouseClickXY(x, y))
	})
	follow("chart", `Array.from(document.querySelectorAll('a')).filter(a => a.innerText.includes('Open')).map(a => a.href)`)
	grafanatest.Save(t, ctx, "link")
}
