package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"colorstream/grafana/grafanatest"
)

// A tab is a page in a real Chromium. Its test fails if the page has a script error, breaks its own
// content security policy or opens a dialog.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
	expected []string // parts of messages that are no problem
}

func newTab(t testing.TB) *tab {
	t.Helper()
	b := &tab{t: t, ctx: grafanatest.Browser(t, 1280, 800)}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, problem := range b.problems {
			t.Error("in the browser: ", problem)
		}
	})
	b.must(chromedp.Listen(b.ctx, b.listen))
	_, err := chromedp.Call(b.ctx, log.Enable, cdp.Empty{})
	b.must(err)
	b.size(1280, 800)
	return b
}

func (b *tab) listen(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = "exception: " + e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			problem += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			problem = fmt.Sprint("console: ", e.Args)
		}
	case *log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceRendering {
			return // the browser's own: it has no graphics card
		}
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			problem = string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL
		}
	}
	if problem == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, part := range b.expected {
		if strings.Contains(problem, part) {
			return
		}
	}
	b.problems = append(b.problems, problem)
}

// expect names messages that the test brings about on purpose.
func (b *tab) expect(parts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, parts...)
}

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, actions...))
}

func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

// prefer sets the system's colour scheme, light or dark.
func (b *tab) prefer(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	b.must(err)
}

// eval returns what a JavaScript expression is, promises awaited.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v\nin %s", err, expression)
	}
	return value
}

// js runs JavaScript.
func (b *tab) js(script string) {
	b.t.Helper()
	eval[bool](b, "("+script+", true)")
}

// key presses keys, one after the other.
func (b *tab) key(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// click clicks on what a CSS selector finds.
func (b *tab) click(selectors ...string) {
	b.t.Helper()
	for _, selector := range selectors {
		b.do(chromedp.Click(chromedp.CSS(selector)))
	}
}

// choose sets a field, as a reader does.
func (b *tab) choose(id, value string) {
	b.t.Helper()
	b.js(fmt.Sprintf(`$(%q).value = %q, $(%[1]q).dispatchEvent(new Event("change"))`, id, value))
}

// await waits until a JavaScript expression is true, and returns how long that took. It may fail
// meanwhile, as when the page loads anew.
func (b *tab) await(expression string) time.Duration {
	b.t.Helper()
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		switch {
		case is:
			return time.Since(begin)
		case time.Since(begin) > 15*time.Second:
			b.t.Fatalf("not within 15 s: %s\n%v\nthe page shows:\n%s", expression, err,
				eval[string](b, `document.body.innerText`))
		}
	}
}

// quoted is a text as JavaScript.
func quoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// cell is the text of a colour's cell, as JavaScript.
func cell(color, column string) string {
	return fmt.Sprintf(`document.querySelector("tr[data-color=" + CSS.escape(%s) + "] .c-%s")?.innerText`, quoted(color), column)
}
