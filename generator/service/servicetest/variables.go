package servicetest

import (
	"fmt"
	"testing"

	"colorstream/generator/service"
)

// CheckVariables holds the table under a heading of a document against the variables of a
// configuration:
//
//	| variable | default | meaning |
//	|---|---|---|
//	| `INFLUX_TOKEN[_FILE]` | required | token that may write the bucket |
func CheckVariables(t *testing.T, path, heading string, config any) {
	t.Helper()
	var rows []string
	for _, v := range service.Variables(config) {
		if v.Help == "" {
			t.Errorf("%s has no help", v.Name)
		}
		standard := "–"
		switch {
		case v.Required:
			standard = "required"
		case v.Default != "":
			standard = "`" + v.Default + "`"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", v.Title(), standard, v.Help))
	}
	checkTable(t, path, heading, "| variable | default | meaning |", rows)
}
