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
)

// wantPanels shows a page and waits until all its panels are drawn or, if there is nothing to show,
// say so.
func wantPanels(
	t *testing.T, ctx grafanatest.Page, g *grafanatest.Server, path, theme string, panels int,
	empty bool,
) {
	t.Helper()
	navigate(t, ctx, g, path+"&from=now-15m&to=now&refresh=&_dash.hideTimePicker=true&theme="+theme)
	grafanatest.Eventually(t, 90*time.Second, func() error {
		screen, err := grafanatest.Look(ctx)
		if err == nil {
			err = screen.Complaint(panels, empty)
		}
		if err != nil {
			err = fmt.Errorf("%s in %s: %w", path, theme, err)
		}
		return err
	})
}

func navigate(t *testing.T, ctx grafanatest.Page, g *grafanatest.Server, path string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(g.URL+path)); err != nil {
		t.Fatal(err)
	}
}

// Every panel of every dashboard, as it is drawn.
func TestEveryPanelIsDrawn(t *testing.T) {
	t.Parallel()
	g, db := start(t, 30*time.Minute)
	db.Write(t, string(sample.Metrics(time.Now()).Lines()))
	ctx := grafanatest.Browser(t, 1500, 2000)
	for _, page := range []struct {
		name, path string
		panels     int
	}{
		{"colors", "/d/colors/colours?kiosk", 11},
		{"color-red", "/d/color/one-colour?kiosk&var-color=red", 3},
		{"color-odd", "/d/color/one-colour?kiosk&var-color=" + url.QueryEscape(sample.Odd), 3},
		{"color-two", "/d/color/one-colour?kiosk&var-color=red&var-color=blue", 6},
		{"pipeline", "/d/pipeline/pipeline?kiosk", 16},
		{"solo", "/d-solo/colors/x?orgId=1&panelId=1&hideLogo=true", 1},
	} {
		for _, theme := range []string{"dark", "light"} {
			wantPanels(t, ctx, g, page.path, theme, page.panels, false)
			grafanatest.Save(t, ctx, page.name+"-"+theme)
		}
	}
}

// With nothing to show, panels say so in words, and none has an error.
func TestAnEmptyBucketIsNoError(t *testing.T) {
	t.Parallel()
	g, _ := start(t, 0)
	ctx := grafanatest.Browser(t, 1500, 2000)
	wantPanels(t, ctx, g, "/d/colors/colours?kiosk", "dark", 11, true)
	wantPanels(t, ctx, g, "/d/color/one-colour?kiosk", "dark", 3, true)
	wantPanels(t, ctx, g, "/d/pipeline/pipeline?kiosk", "dark", 16, true)
}

// A click on a colour opens that colour, with the time range that was chosen.
func TestAColourLeadsToItsDashboard(t *testing.T) {
	t.Parallel()
	g, _ := start(t, 30*time.Minute)
	ctx := grafanatest.Browser(t, 1500, 2000)
	// A refresh would close what a click opens.
	navigate(t, ctx, g, "/d/colors/colours?kiosk&from=now-20m&to=now&refresh=")
	// follow checks the first link of a look, before which act is done again and again.
	follow := func(look string, act func() error) {
		t.Helper()
		var href string
		grafanatest.Eventually(t, 60*time.Second, func() error {
			if err := act(); err != nil {
				return err
			}
			links, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](
				`Array.from(document.querySelectorAll('a')).filter(a => a.innerText.`+look+
					`).map(a => a.href)`))
			if err == nil && len(links) == 0 {
				err = errors.New("there is no link yet")
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
			t.Errorf("the link leads to %s", href)
		}
	}
	follow("startsWith('dark')", func() error { return nil }) // in the table

	// On a chart, all others are hidden by a click on the legend. Then a dot marks the point that is
	// nearest to the mouse, and can be clicked.
	const chart = `const chart = Array.from(document.querySelectorAll('section')).find(s => s.innerText.startsWith('Messages per window')); `
	grafanatest.Eventually(t, 60*time.Second, func() error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[any](
			`(() => { `+chart+`Array.from(chart.querySelectorAll('button')).find(b => b.innerText.startsWith('dark')).click() })()`))
		if err == nil || errors.Is(err, chromedp.ErrJSUndefined) {
			return nil
		}
		screen, _ := grafanatest.Look(ctx)
		return fmt.Errorf("%w on %+v", err, screen)
	})
	middle := func(selector string) (x, y float64, err error) {
		at, err := chromedp.Run(ctx,
			chromedp.Evaluate[[]float64](`(() => { `+chart+`return Array.from(chart.querySelectorAll('`+
				selector+`'))
			.map(e => e.getBoundingClientRect()).filter(r => r.width > 0).flatMap(r => [r.x + r.width / 2, r.y + r.height / 2]) })()`))
		if err == nil && len(at) < 2 {
			err = fmt.Errorf("there is no %s", selector)
		}
		if err != nil {
			return 0, 0, err
		}
		return at[0], at[1], nil
	}
	follow("includes('Open')", func() error {
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
			chromedp.MouseClickXY(x, y), chromedp.Sleep(time.Second))
	})
	grafanatest.Save(t, ctx, "link")
}
