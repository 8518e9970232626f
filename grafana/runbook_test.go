package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// Every alert names a section of the runbook that is there, and has the alert's title.
func TestEveryAlertIsInTheRunbook(t *testing.T) {
	t.Parallel()
	set := load(t, ".")
	sections := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(runbook(t), -1) {
		sections[anchor(heading[1])] = true
	}
	rules := set.Rules()
	for _, r := range rules {
		title := r.Get("title").Str
		want := func(name, end string) {
			if got := r.Get("annotations." + name).Str; !strings.HasSuffix(got, end) {
				t.Errorf("%s: rule %q: its %s is %q, want %q at its end", r.File, title, name, got, end)
			}
		}
		want("runbook", "worker/docs/runbook.md#"+anchor(title))
		want("runbook_url", "d/pipeline/pipeline?viewPanel=25")
		if !sections[anchor(title)] {
			t.Errorf("%s: rule %q: the runbook has no section of this title", r.File, title)
		}
	}
	if len(sections) != len(rules) {
		t.Errorf("the runbook has %d sections for %d alerts", len(sections), len(rules))
	}
}

var update = flag.Bool("update", false, "write the runbook into the dashboard Pipeline")

// The dashboard Pipeline has the runbook in panel 25, so that it can be read in a browser.
func TestTheRunbookIsOnTheDashboard(t *testing.T) {
	t.Parallel()
	const path = "dashboards/pipeline.json"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content := gjson.GetBytes(data, "panels.#(id==25).options.content")
	if content.Str == runbook(t) {
		return
	}
	if !*update {
		t.Fatal("panel 25 of the dashboard Pipeline is not worker/docs/runbook.md: run go test -run Runbook . -update")
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(runbook(t)); err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte(content.Raw), bytes.TrimSpace(text.Bytes()), 1)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func runbook(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../worker/docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// anchor is how a heading is linked to.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(
		regexp.MustCompile(`[^A-Za-z0-9 -]`).ReplaceAllString(heading, "")), " ", "-")
}
