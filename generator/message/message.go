// Package message is Colorstream's wire format: what the generator publishes and the worker reads.
//
// A message is one JSON object (RFC 8259), UTF-8 without a byte order mark:
//
//	{"color":"red","name":"value_name","value":42}
//	{"color":"red","name":"value_name","value":42.5,"ts":1760000000000}
//
// | field | type   | unit              | rule                                                                  |
// |-------|--------|-------------------|-----------------------------------------------------------------------|
// | color | string | –                 | required; 1 to 128 bytes, no control character, no backslash at its   |
// |       |        |                   | end                                                                   |
// | value | number | the sender's own  | required; finite as an IEEE 754 double (integers above 2^53 round)    |
// | name  | string | –                 | optional                                                              |
// | ts    | number | ms since 1970 UTC | optional event time: an integer, or a string in RFC 3339; it must lie |
// |       | string |                   | between the years 1678 and 2262, where nanoseconds fit 64 bits        |
//
// Other fields are ignored. Field names are case-sensitive. Refused, each with its [Reason]: duplicate fields,
// invalid UTF-8, half surrogate pairs, anything after the object, null, numeric strings, numbers that overflow.
//
// The rules for a colour are those of InfluxDB's line protocol, which cannot hold what they exclude.
//
// The package imports the standard library only and keeps no state; all of it is safe for concurrent use.
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
	minTime = time.Unix(0, -1<<63).UTC()
	maxTime = time.Unix(0, 1<<63-1).UTC()
)

// Validate tells whether Decode accepts what AppendJSON writes for m. The error is an [*Error].
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
	return validTime(m.Time)
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
	}
	if strings.HasSuffix(color, `\`) {
		return errorf(ColorBackslash, "color %q ends in a backslash", color)
	}
	return nil
}

func validTime(t time.Time) error {
	if !t.IsZero() && (t.Before(minTime) || t.After(maxTime)) {
		return errorf(TimeRange, "ts %s is outside the years 1678 to 2262", t.Format(time.RFC3339))
	}
	return nil
}

func isFinite(f float64) bool { return f-f == 0 }
