package grafanatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browserTimeout bounds all that a test does in its browser.
const browserTimeout = 5 * time.Minute

// Page is a browser's page, as chromedp takes it.
type Page = context.Context

// Browser starts a headless Chromium that ends with the test.
func Browser(t testing.TB, width, height int) Page {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.WindowSize(width, height),
		chromedp.NoSandbox) // tests run as root in containers
	ctx, cancel := context.WithTimeout(t.Context(), browserTimeout)
	t.Cleanup(cancel)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancelAllocator)
	ctx, cancelBrowser := chromedp.NewContext(ctx)
	t.Cleanup(cancelBrowser)
	switch err := chromedp.Do(ctx); {
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true":
		t.Skipf("this test wants Chromium: install the package chromium (%v)", err)
	case err != nil:
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}

// PanelState is what a browser shows of one panel.
type PanelState struct {
	Text    string // all that can be read, the title first
	Drawn   bool   // there is a drawing, a table or a number
	Loading bool
	Error   string // of an error corner
}

// Screen is what a browser shows of a dashboard.
type Screen struct {
	Panels []PanelState
	Toasts []string // errors over the page
}

// look finds panels in Grafana 9.4 (classes, aria-label) and later ones
// (data-testid).
const look = `(() => {
	const text = e => (e.innerText || '').trim();
	const all = (e, s) => Array.from(e.querySelectorAll(s));
	const panels = all(document, 'section.panel-container, section[data-testid^="data-testid Panel header"]').map(p => ({
		Text: text(p) || p.getAttribute('aria-label') || '',
		Drawn: all(p, 'canvas, table, [role="table"], .u-wrap').length > 0 ||
			all(p, '[class*="panel-content"], [data-testid="data-testid panel content"]').some(c => /\d|ago|none|No alerts/.test(text(c))),
		Loading: all(p, '.panel-loading, [aria-label="Panel loading bar"], [data-testid="Spinner"]').length > 0,
		Error: all(p, '.panel-info-corner--error, [data-testid="data-testid Panel status error"], [aria-label="Panel status"]')
			.map(e => text(e) || e.getAttribute('aria-label') || 'error').join(' '),
	}));
	const toasts = all(document, '[data-testid^="data-testid Alert error"], [data-testid^="data-testid Alert warning"], [aria-label^="Alert error"], .page-alert-list > *').map(text).filter(t => t);
	return {Panels: panels, Toasts: toasts};
})()`

// nothing is what panels say that have nothing to show.
var nothing = []string{
	"No data", "no windows", "Data is missing", "does not have a", "no heatmap fields",
	"Cannot visualize", "Panel plugin not found", "An unexpected error", "Query error",
	"Failed to load",
}

// Complaint tells what is wrong with a screen on which all panels have data or, if empty is true,
// none has and each says so.
func (s Screen) Complaint(panels int, empty bool) error {
	if len(s.Toasts) > 0 {
		return fmt.Errorf("errors over the page: %s", strings.Join(s.Toasts, "; "))
	}
	if len(s.Panels) < panels {
		return fmt.Errorf("%d panels, want %d", len(s.Panels), panels)
	}
	for _, p := range s.Panels {
		title, rest, _ := strings.Cut(p.Text, "\n")
		switch {
		case p.Error != "":
			return fmt.Errorf("panel %q has an error: %s", title, p.Error)
		case p.Loading:
			return fmt.Errorf("panel %q is still loading", title)
		case !p.Drawn && !(empty && strings.TrimSpace(rest) != ""):
			return fmt.Errorf("panel %q draws nothing: %q", title, p.Text)
		}
		for _, words := range nothing {
			if !empty && strings.Contains(p.Text, words) {
				return fmt.Errorf("panel %q says %q", title, words)
			}
		}
	}
	return nil
}

// Look reads the page that the browser shows.
func Look(ctx Page) (Screen, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[Screen](look))
}

// Save writes what the browser shows as a PNG, if SCREENSHOTS names a folder.
func Save(t testing.TB, ctx Page, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Errorf("screenshot %s: %v", name, err)
		return
	}
	if err := os.WriteFile(dir+"/"+name+".png", png, 0o644); err != nil {
		t.Error(err)
	}
}
