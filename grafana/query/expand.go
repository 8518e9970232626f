// Package query expands the macros and variables in a dashboard's or an alert's Flux as Grafana
// would.
//
// It knows the macros and variable formats that this project allows (package
// lint says so to those who use others), not all that Grafana has.
package query

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Macros are the names after "v." that Grafana replaces in Flux.
var Macros = []string{
	"timeRangeStart", "timeRangeStop", "windowPeriod", "defaultBucket",
	"organization",
}

// Context is what a query's macros and variables become.
type Context struct {
	Start, Stop time.Time
	Every       time.Duration // v.windowPeriod
	Bucket, Org string
	Variables   map[string]string // one value each, as in a repeated row
}

// Reference matches a use of a template variable: $name, ${name}, ${name:format}, [[name]].
var Reference = regexp.MustCompile(`\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]|\$(\w+)`)

// special is what Grafana's format "regex" escapes.
var special = regexp.MustCompile(`[-/\\^$*+?.()|[\]{}]`)

// Expand returns the Flux that reaches InfluxDB.
func (c Context) Expand(flux string) (string, error) {
	var bad error
	flux = Reference.ReplaceAllStringFunc(flux, func(use string) string {
		m := Reference.FindStringSubmatch(use)
		name, format := m[1]+m[3]+m[5], m[2]+m[4]
		value, ok := c.Variables[name]
		if !ok {
			bad = fmt.Errorf("%s: there is no variable %q", use, name)
			return use
		}
		switch format {
		case "", "raw":
			return value
		case "regex":
			return special.ReplaceAllString(value, `\$0`)
		case "json":
			text, err := json.Marshal(value)
			if err != nil {
				bad = err
			}
			return string(text)
		default:
			bad = fmt.Errorf("%s: use the format regex or json", use)
			return use
		}
	})
	if bad != nil {
		return "", bad
	}
	return strings.NewReplacer(
		"v.timeRangeStart", c.Start.UTC().Format(time.RFC3339Nano),
		"v.timeRangeStop", c.Stop.UTC().Format(time.RFC3339Nano),
		"v.windowPeriod", c.Every.String(),
		"v.defaultBucket", fmt.Sprintf("%q", c.Bucket),
		"v.organization", fmt.Sprintf("%q", c.Org),
	).Replace(flux), nil
}
