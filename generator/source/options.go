package source

import (
	"cmp"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Options say how an input is read. The zero Options are the defaults of the variables; ParseConfig
// of package service has checked what it read.
type Options struct {
	Format    Format    `env:"GENERATOR_INPUT_FORMAT" help:"csv or json; else told by the content and the name"`
	Separator Separator `env:"GENERATOR_INPUT_SEPARATOR" help:"CSV: , ; tab or any other character; else told by the header"`
	Decimal   Decimal   `env:"GENERATOR_INPUT_DECIMAL" help:"point or comma; else told by the values"`

	Color string `env:"GENERATOR_INPUT_COLOR" envDefault:"color" help:"column or field of the colour: a name, a.b for a nested field, 3 for the third column; or =red for a constant, @file for the file's name"`
	Name  string `env:"GENERATOR_INPUT_NAME" envDefault:"name" help:"the same for the name; may be absent if it is this"`
	Value string `env:"GENERATOR_INPUT_VALUE" envDefault:"value" help:"the same for the value"`
	Time  string `env:"GENERATOR_INPUT_TIME" envDefault:"ts" help:"the same for the event time; may be absent if it is this"`

	TimeFormat TimeFormat `env:"GENERATOR_INPUT_TIME_FORMAT" help:"s, ms, us, ns, day-first, month-first, a strftime format (%d.%m.%Y %H:%M) or a Go layout (02.01.2006 15:04); else told by the times"`
	Zone       Zone       `env:"GENERATOR_INPUT_TIME_ZONE" envDefault:"UTC" help:"zone of times without one: Europe/Berlin, or +02:00"`

	// History accepts times before 2000, which a message on the wire must not have, and wants a time
	// in every row.
	History bool
}

const formatVariable = "GENERATOR_INPUT_TIME_FORMAT"

// Format is how an input is written; empty means that its content and name tell.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	JSON Format = "json"
)

// UnmarshalText rejects every other word.
func (f *Format) UnmarshalText(text []byte) (err error) {
	meanings := map[string]Format{"csv": CSV, "json": JSON, "jsonl": JSON, "ndjson": JSON}
	*f, err = choose(text, meanings, "is neither csv nor json")
	return err
}

// choose returns what a word means.
func choose[T any](word []byte, meanings map[string]T, otherwise string) (T, error) {
	meaning, ok := meanings[string(word)]
	if !ok {
		return meaning, errors.New(otherwise)
	}
	return meaning, nil
}

// Separator is the character between the cells of CSV; empty means that the header tells.
type Separator string

// UnmarshalText accepts one character, and the word tab.
func (s *Separator) UnmarshalText(text []byte) error {
	*s = Separator(text)
	if *s == "tab" || *s == `\t` {
		*s = "\t"
	}
	r, size := utf8.DecodeRuneInString(string(*s))
	if size != len(*s) || r == utf8.RuneError || strings.ContainsRune("\"\r\n\ufeff", r) {
		return errors.New("is not one character, nor the word tab")
	}
	return nil
}

// Decimal is the mark before a number's decimals; empty means that the values tell.
type Decimal string

// The decimal marks.
const (
	Point Decimal = "point"
	Comma Decimal = "comma"
)

// UnmarshalText accepts the marks themselves too.
func (d *Decimal) UnmarshalText(text []byte) (err error) {
	meanings := map[string]Decimal{"point": Point, ".": Point, "comma": Comma, ",": Comma}
	*d, err = choose(text, meanings, "is neither point nor comma")
	return err
}

// Zone is the name of a time zone: one of the IANA database, or an offset such as +02:00.
type Zone string

// UnmarshalText rejects what is no zone.
func (z *Zone) UnmarshalText(text []byte) error {
	*z = Zone(text)
	_, err := z.location()
	return err
}

func (z Zone) location() (*time.Location, error) {
	if strings.HasPrefix(string(z), "+") || strings.HasPrefix(string(z), "-") {
		t, err := time.Parse("-07:00", string(z))
		if err != nil {
			return nil, errors.New("is not an offset such as +02:00")
		}
		return t.Location(), nil
	}
	l, err := time.LoadLocation(string(z))
	if err != nil {
		return nil, errors.New("is not a time zone such as Europe/Berlin, UTC or +02:00")
	}
	return l, nil
}

// A field says where a part of the message comes from.
type field struct {
	role, variable string
	name           string // of the column or JSON field; a.b is b in a
	number         int    // of the column, 1 for the first; 0 if it has a name
	constant       bool   // name is the text itself
	optional       bool
}

func (f field) required() bool { return !f.optional && !f.constant && f.number == 0 }

// fields of a message in the order color, name, value, time. A constant that is the file's name is
// taken from path.
func (o Options) fields(path string) (f [4]field, err error) {
	for i, s := range []struct{ role, variable, setting, standard string }{
		{"color", "GENERATOR_INPUT_COLOR", o.Color, "color"},
		{"name", "GENERATOR_INPUT_NAME", o.Name, "name"},
		{"value", "GENERATOR_INPUT_VALUE", o.Value, "value"},
		{"time", "GENERATOR_INPUT_TIME", o.Time, "ts"},
	} {
		s.setting = cmp.Or(s.setting, s.standard)
		f[i] = field{role: s.role, variable: s.variable, name: s.setting}
		f[i].optional = s.setting == s.standard && (s.role == "name" || s.role == "time" && !o.History)
		constant, isConstant := strings.CutPrefix(s.setting, "=")
		number, notNumber := strconv.Atoi(s.setting)
		switch {
		case s.setting == "@file" && path == Stdin:
			return f, errors.New(s.variable + "=@file: standard input has no name")
		case s.setting == "@file":
			f[i].name, f[i].constant = stem(path), true
		case isConstant:
			f[i].name, f[i].constant = strings.TrimSpace(constant), true
		case notNumber == nil && number > 0:
			f[i].number = number
		}
		if f[i].constant && s.role == "value" {
			return f, errors.New(s.variable + "=" + s.setting + ": the value is to be a column or field")
		}
	}
	return f, nil
}

// stem is a file's name without folder and endings.
func stem(path string) string {
	name := uncompressed(filepath.Base(path))
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// uncompressed is a file's name without the ending of its compression.
func uncompressed(name string) string {
	for _, ending := range []string{".gz", ".zst", ".zstd"} {
		name = strings.TrimSuffix(name, ending)
	}
	return name
}

// defaultName is the name of messages whose input has none: that of the value, if it says more than
// "value".
func defaultName(value field) string {
	if value.name == "value" || value.number > 0 {
		return ""
	}
	return value.name
}
