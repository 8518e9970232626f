// Package message is Colorstream's wire format: what the generator publishes and the worker reads.
//
// A payload (of a PUBLISH, or of a stream entry's field m) is one or more messages, one after
// another, with white space or nothing between them; the generator writes a line for each. A
// message is one JSON object (RFC 8259) in UTF-8:
//
//	{"color":"red","name":"value_name","value":42}
//	{"color":"red","name":"value_name","value":42.5,"ts":1760000000000}
//
// | field | type   | unit              | rule                                                   |
// |-------|--------|-------------------|--------------------------------------------------------|
// | color | string | –                 | required; spaces around it are trimmed; then 1 to 128  |
// |       |        |                   | bytes, no control character, no backslash at its end   |
// | value | number | the sender's own  | required; finite as an IEEE 754 double (integers above |
// |       |        |                   | 2^53 round)                                            |
// | name  | string | –                 | optional                                               |
// | ts    | number | ms since 1970 UTC | optional event time: a number, which may have a        |
// |       | string |                   | fraction, or a string in RFC 3339, whose offset may    |
// |       |        |                   | lack its colon; from 2000-01-01 to 2262-04-11          |
//
// An optional field that is null is absent. Other fields are ignored. Field names are
// case-sensitive. A byte-order mark before the payload is skipped. Rejected, each with its
// [Reason]: duplicate fields, invalid UTF-8, half surrogate pairs, arrays, numeric strings, numbers
// that overflow, a ts without a time zone.
//
// Each message of a payload is accepted or rejected by itself. After an object or array that is
// JSON but no message, reading goes on behind it; after text that is no JSON, at the next line.
//
// The rules for a colour are those of InfluxDB's line protocol, which cannot hold what they
// exclude; the end of the range of ts is that of nanoseconds in 64 bits.
//
// The package imports the standard library only and keeps no state; all of it is safe for
// concurrent use.
package message

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxColor is the longest colour, in bytes.
const MaxColor = 128

// A Message is one observation.
type Message struct {
	Color string
	Name  string
	Value float64
	// Time is the event time, the zero Time when the message carries none.
	Time time.Time
}

var (
	minTime  = time.Unix(0, -1<<63).UTC()
	year2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	maxTime  = time.Unix(0, 1<<63-1).UTC()
)

// Validate returns an [*Error] if m cannot be a point. Decode accepts what AppendJSON writes for
// all others, unless they are too old for the wire, which ValidateAge tells.
func (m Message) Validate() error {
	if err := validColor(m.Color); err != nil {
		return err
	}
	if !utf8.ValidString(m.Name) {
		return &Error{InvalidUTF8, "name is not valid UTF-8"}
	}
	if !isFinite(m.Value) {
		return &Error{ValueRange, "value must be a finite number"}
	}
	if !m.Time.IsZero() && (m.Time.Before(minTime) || m.Time.After(maxTime)) {
		return errorf(TimeRange, "ts %s is outside the years 1678 to 2262", m.Time.Format(time.RFC3339))
	}
	return nil
}

// ValidateAge returns an [*Error] with the reason Past if m's time is before 2000: on the wire that
// is a wrong unit, not an old observation.
func (m Message) ValidateAge() error {
	if !m.Time.IsZero() && m.Time.Before(year2000) {
		return errorf(Past, "ts %s is before the year 2000", m.Time.Format(time.RFC3339))
	}
	return nil
}

func validColor(color string) error {
	switch {
	case color == "":
		return &Error{ColorEmpty, "color is empty"}
	case len(color) > MaxColor:
		return errorf(ColorTooLong, "color is %d bytes long, more than %d", len(color), MaxColor)
	case !utf8.ValidString(color):
		return &Error{InvalidUTF8, "color is not valid UTF-8"}
	case strings.ContainsFunc(color, unicode.IsControl):
		return errorf(ColorControl, "color %q holds a control character", color)
	case strings.HasSuffix(color, `\`):
		return errorf(ColorBackslash, "color %q ends in a backslash", color)
	}
	return nil
}

func isFinite(f float64) bool { return f-f == 0 }
