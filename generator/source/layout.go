package source

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// TimeFormat says how times are written; empty means that they tell. It is one of
//
//   - s, ms, us, ns: numbers of seconds and so on since 1970,
//   - day-first and month-first: dates such as 01/03/2024, with or without a time of day,
//   - a format of strftime, which has a %: %d.%m.%Y %H:%M:%S,
//   - a layout of Go's package time: 02.01.2006 15:04:05.
type TimeFormat string

// UnmarshalText rejects what is no format.
func (f *TimeFormat) UnmarshalText(text []byte) error {
	*f = TimeFormat(text)
	_, _, err := f.parse()
	return err
}

var namedFormats = map[TimeFormat]reading{
	"": 0, "s": seconds, "%s": seconds, "ms": milliseconds, "us": microseconds, "ns": nanoseconds,
	"day-first": dayFirst, "month-first": monthFirst,
}

// parse returns the reading of numbers or dates that the format names, or layouts of package time.
func (f TimeFormat) parse() (named reading, layouts []string, err error) {
	if named, ok := namedFormats[f]; ok {
		return named, nil, nil
	}
	layouts = []string{string(f)}
	if strings.Contains(string(f), "%") {
		if layouts, err = strftime(string(f)); err != nil {
			return 0, nil, err
		}
	}
	// A layout that does not tell one day from another is none: dd/mm/yyyy is not of Go.
	a, b := time.Date(2021, 3, 14, 0, 0, 0, 0, time.UTC), time.Date(2022, 4, 15, 0, 0, 0, 0, time.UTC)
	if a.Format(layouts[0]) == b.Format(layouts[0]) {
		err = errors.New("is no time format: write day-first, month-first, s, ms, us or ns, " +
			"or as strftime does (%d.%m.%Y %H:%M), or as Go does (02.01.2006 15:04)")
	}
	return 0, layouts, err
}

// strftimes are the directives and what Go has for them.
var strftimes = map[string]string{
	"%Y": "2006", "%y": "06", "%m": "1", "%d": "2", "%e": "_2", "%j": "002",
	"%b": "Jan", "%h": "Jan", "%B": "January", "%a": "Mon", "%A": "Monday",
	"%H": "15", "%I": "3", "%k": "15", "%l": "3", "%M": "04", "%S": "05", "%p": "PM", "%P": "pm",
	"%F": "2006-1-2", "%T": "15:04:05", "%R": "15:04", "%D": "1/2/06", "%z": "Z07:00", "%%": "%",
}

// directives finds decimals of a second with their point or comma, and all other directives.
var directives = regexp.MustCompile(`(?s)[.,]?%f|%.?`)

// strftime makes Go layouts of a strftime format: several if it has a zone, which is written in
// several ways.
func strftime(format string) (layouts []string, err error) {
	for _, text := range directives.Split(format, -1) {
		if time.Unix(0, 0).UTC().Format(text) != text || time.Unix(1e9, 1).UTC().Format(text) != text {
			return nil, fmt.Errorf("has %q between the directives, which Go's time layouts cannot hold",
				text)
		}
	}
	layout := directives.ReplaceAllStringFunc(format, func(found string) string {
		text, ok := strftimes[found]
		switch {
		case strings.HasSuffix(found, "%f"): // Go reads decimals after seconds by itself
		case found == "%":
			err = errors.New("ends in a %")
		case found == "%Z":
			err = errors.New("has %Z: names such as CET have no certain meaning; " +
				"write the name into the format and set GENERATOR_INPUT_TIME_ZONE")
		case !ok:
			err = fmt.Errorf("has %s, which is not known here", found)
		}
		return text
	})
	for _, zone := range []string{"Z07:00", "Z0700", "Z07"} {
		layouts = append(layouts, strings.ReplaceAll(layout, "Z07:00", zone))
	}
	return slices.Compact(layouts), err
}
