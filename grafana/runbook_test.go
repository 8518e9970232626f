package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"colorstream/grafana/provision"
)

// Every alert names a section of the runbook that is there, and has the alert's title.
func TestEveryAlertIsInTheRunbook(t *testing.T) {
	t.Parallel()
	set, err := provision.Load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	rules := 0
	for _, f := range set.Alerting {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				rules++
				file, section, _ := strings.Cut(r.Annotations["runbook"], "#")
				if want := anchor(r.Title); section != want {
					t.Errorf("%s: rule %q: its runbook is %q, want the section %q", f.Name, r.Title, r.Annotations["runbook"], want)
				}
				text, err := os.ReadFile(filepath.Join("..", file))
				if err != nil {
					t.Fatalf("%s: rule %q: %v", f.Name, r.Title, err)
				}
				for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(string(text), -1) {
					sections[anchor(heading[1])] = true
				}
				if !sections[section] {
					t.Errorf("%s: rule %q: there is no section %q in %s", f.Name, r.Title, section, file)
				}
			}
		}
	}
	if len(sections) != rules {
		t.Errorf("the runbook has %d sections for %d alerts", len(sections), rules)
	}
}

// anchor is how a heading is linked to.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(regexp.MustCompile(`[^A-Za-z0-9 -]`).ReplaceAllString(heading, "")), " ", "-")
}
