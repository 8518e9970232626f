package source

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/message"
)

// A reading is how a time may be understood; a set of them, while that is not told.
type reading uint16

// The readings of numbers, in the order of forms, and those of dates that end in the year.
const (
	years reading = 1 << iota
	days
	hours
	minutes
	daySeconds
	seconds // since 1970, as the next three
	milliseconds
	microseconds
	nanoseconds
	dayFirst
	monthFirst

	numeric = dayFirst - 1
	orders  = dayFirst | monthFirst
)

type form struct{ name, layout, unit, setting string }

// forms are how a time is written that is a number, a date or so many units since 1970, or a date
// in two orders; with the setting that says so, if it is to be named.
var forms = []form{
	{name: "years", layout: "2006"},
	{name: "dates (YYYYMMDD)", layout: "20060102"},
	{name: "hours (YYYYMMDDhh)", layout: "2006010215", setting: "%Y%m%d%H"},
	{name: "minutes (YYYYMMDDhhmm)", layout: "200601021504"},
	{name: "seconds (YYYYMMDDhhmmss)", layout: "20060102150405"},
	{name: "seconds", unit: "s", setting: "s"},
	{name: "milliseconds", unit: "ms"},
	{name: "microseconds", unit: "us"},
	{name: "nanoseconds", unit: "ns"},
	{name: "day first", setting: "day-first"},
	{name: "month first", setting: "month-first"},
}

// form is that of a single reading.
func (r reading) form() form { return forms[bits.TrailingZeros16(uint16(r))] }

// String names the readings of a set.
func (r reading) String() string {
	var names []string
	for ; r != 0; r &= r - 1 {
		names = append(names, (r & -r).form().name)
	}
	return strings.Join(names, " or ")
}

// isNumber reports whether a time is a number, perhaps with decimals or an exponent.
func isNumber(text string) bool { return message.IsDecimal(strings.Replace(text, ",", ".", 1)) }

// readings are those that a number may have by its size.
func readings(text string) (fits reading) {
	for r := years; r <= nanoseconds; r <<= 1 {
		if at, err := r.read(text, time.UTC); err == nil && r.fits(at) {
			fits |= r
		}
	}
	return fits
}

// fits reports whether a number that is read as at is meant so: a date of the years 1678 to 2262,
// or an instant from 1973, where the units do not meet, to 2262. Numbers such as 2025020410 may be
// hours or seconds of 2034, those such as 202502041015 minutes or milliseconds of 1976.
func (r reading) fits(at time.Time) bool {
	switch {
	case r >= seconds:
		return at.Unix() >= 1e8
	case r == hours || r == minutes:
		return at.Year() >= 1900 && at.Year() < 2100
	}
	return at.Year() >= 1678 && at.Year() <= 2262
}

// read reads a number, exactly to the nanosecond.
func (r reading) read(text string, zone *time.Location) (time.Time, error) {
	n := r.form()
	if r&orders != 0 {
		at, _, _ := scanDate(text, r, zone, "")
		return at, nil
	}
	if n.unit == "" {
		if len(text) == len("20060102150405000") {
			text = text[:14] + "." + text[14:]
		}
		at, err := time.ParseInLocation(n.layout, text, zone)
		if err != nil {
			err = errors.New("is no such time")
		}
		return at, err
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, "eE") {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	// The longest Duration ends in 2262, as the times of points do.
	since, err := time.ParseDuration(strings.Replace(text, ",", ".", 1) + n.unit)
	if err != nil {
		return time.Time{}, errors.New("is too large")
	}
	return time.Unix(0, int64(since)).UTC(), nil
}
