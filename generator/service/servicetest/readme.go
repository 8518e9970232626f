// Package servicetest holds what the tests of every program share.
package servicetest

import (
	"os"
	"strings"
	"testing"

	"colorstream/generator/service"
)

// CheckReadme holds the README's table of variables against a program's configuration: every variable has a row with
// its default, and the program among those that read it.
//
//	| `NAME` | `default` | program, program | … |
//
// The default's cell is "required" for a required variable and "–" for one without a default. A secret's name stands
// with [_FILE] behind it.
func CheckReadme(t *testing.T, path, program string, config any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ standard, programs string }
	rows := make(map[string]row)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		rows[strings.TrimSpace(cells[1])] = row{strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}
	}
	for _, v := range service.Variables(config) {
		name := "`" + v.Name + "`"
		if v.Secret {
			name = "`" + v.Name + "[_FILE]`"
		}
		standard := "`" + v.Default + "`"
		switch {
		case v.Required:
			standard = "required"
		case v.Default == "":
			standard = "–"
		}
		got, ok := rows[name]
		switch {
		case !ok:
			t.Errorf("%s has no row for %s, which %s reads", path, name, program)
		case got.standard != standard:
			t.Errorf("%s: the default of %s is %s, and not %s", path, name, standard, got.standard)
		case !strings.Contains(", "+got.programs+",", ", "+program+",") && got.programs != "all":
			t.Errorf("%s: %s is read by %s too, not only by %s", path, name, program, got.programs)
		}
	}
}
