package source

import (
	"errors"
	"fmt"
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
	_, err := f.parse()
	return err
}

// A layout is a TimeFormat made ready.
type layout struct {
	reading reading  // of numbers or dates, if it is not 0
	layouts []string // of Go's time.Parse, the first that fits counts
}

var namedFormats = map[TimeFormat]reading{
	"": 0, "s": seconds, "%s": seconds, "ms": milliseconds, "us": microseconds, "ns": nanoseconds,
	"day-first": dayFirst, "month-first": monthFirst,
}

func (f TimeFormat) parse() (l layout, err error) {
	if r, ok := namedFormats[f]; ok {
		return layout{reading: r}, nil
	}
	l.layouts = []string{string(f)}
	if strings.Contains(string(f), "%") {
		l.layouts, err = strftime(string(f))
	}
	if err == nil {
		err = holdsDate(l.layouts[0])
	}
	return l, err
}

// holdsDate rejects a layout that does not tell one day from another: dd/mm/yyyy is none of Go's.
func holdsDate(layout string) error {
	a, b := time.Date(2021, 3, 14, 0, 0, 0, 0, time.UTC), time.Date(2022, 4, 15, 0, 0, 0, 0, time.UTC)
	if a.Format(layout) == b.Format(layout) {
		return errors.New("is no time format: write day-first, month-first, s, ms, us or ns, " +
			"or as strftime does (%d.%m.%Y %H:%M), or as Go does (02.01.2006 15:04)")
	}
	return nil
}

// strftimes are the directives and what Go has for them. Go reads decimals after seconds by itself.
var strftimes = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "1", 'd': "2", 'e': "_2", 'j': "002",
	'b': "Jan", 'h': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday",
	'H': "15", 'I': "3", 'k': "15", 'l': "3", 'M': "04", 'S': "05", 'p': "PM", 'P': "pm",
	'F': "2006-1-2", 'T': "15:04:05", 'R': "15:04", 'D': "1/2/06", '%': "%",
}

// zones are what %z stands for: Z, +01:00, +0100, +01.
var zones = []string{"Z07:00", "Z0700", "Z07"}

// strftime makes Go layouts of a strftime format: several if it has a zone, which is written in
// several ways.
func strftime(format string) ([]string, error) {
	var b strings.Builder
	zone := false
	for rest := format; rest != ""; {
		literal, after, found := strings.Cut(rest, "%")
		if time.Unix(0, 0).UTC().Format(literal) != literal ||
			time.Unix(1e9, 1).UTC().Format(literal) != literal {
			return nil, fmt.Errorf("has %q between the directives, which Go's time layouts cannot hold",
				literal)
		}
		b.WriteString(literal)
		if rest = after; !found {
			break
		}
		if rest == "" {
			return nil, errors.New("ends in a %")
		}
		directive := rest[0]
		rest = rest[1:]
		switch directive {
		case 'f': // decimals of a second, after its point or comma
			text := strings.TrimRight(b.String(), ".,")
			b.Reset()
			b.WriteString(text)
			continue
		case 'z':
			zone = true
			b.WriteByte(0)
			continue
		case 'Z':
			return nil, errors.New("has %Z: names such as CET have no certain meaning; " +
				"write the name into the format and set GENERATOR_INPUT_TIME_ZONE")
		}
		text, ok := strftimes[directive]
		if !ok {
			return nil, fmt.Errorf("has %%%c, which is not known here", directive)
		}
		// Digits that touch are read by their number: %Y%m%d.
		touches := strings.HasPrefix(rest, "%") || b.Len() > 0 && isDigit(b.String()[b.Len()-1])
		if touches && len(text) == 1 && isDigit(text[0]) {
			text = "0" + text
		}
		b.WriteString(text)
	}
	if !zone {
		return []string{b.String()}, nil
	}
	var layouts []string
	for _, z := range zones {
		layouts = append(layouts, strings.ReplaceAll(b.String(), "\x00", z))
	}
	return layouts, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// read parses a text by the layouts.
func (l layout) read(text string, zone *time.Location) (t time.Time, err error) {
	for _, layout := range l.layouts {
		if t, err = time.ParseInLocation(layout, text, zone); err == nil {
			break
		}
	}
	return t, err
}
