package source

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// A reading is how a time may be understood; a set of them, while that is not told.
type reading uint16

// The readings of numbers, in the order of numerals, and those of dates that end in the year.
const (
	years reading = 1 << iota
	days
	hours
	minutes
	daySeconds
	dayMillis
	seconds // since 1970, as the next three
	milliseconds
	microseconds
	nanoseconds
	dayFirst
	monthFirst

	numeric = dayFirst - 1
	orders  = dayFirst | monthFirst
)

// A numeral is how a number is written that is a time.
type numeral struct {
	name   string
	digits int    // of a date
	layout string // of a date
	places int    // since 1970: it is 10^-places seconds
}

var numerals = []numeral{
	{"years", 4, "2006", 0},
	{"dates (YYYYMMDD)", 8, "20060102", 0},
	{"hours (YYYYMMDDhh)", 10, "2006010215", 0},
	{"minutes (YYYYMMDDhhmm)", 12, "200601021504", 0},
	{"seconds (YYYYMMDDhhmmss)", 14, "20060102150405", 0},
	{"milliseconds (YYYYMMDDhhmmssSSS)", 17, "20060102150405.000", 0},
	{"seconds", 0, "", 0},
	{"milliseconds", 0, "", 3},
	{"microseconds", 0, "", 6},
	{"nanoseconds", 0, "", 9},
	{name: "day first"},
	{name: "month first"}, // no numbers, but readings with a name
}

// numeral is that of a single reading.
func (r reading) numeral() *numeral { return &numerals[bits.TrailingZeros16(uint16(r))] }

// String names the readings of a set.
func (r reading) String() string {
	var names []string
	for ; r != 0; r &= r - 1 {
		names = append(names, r.numeral().name)
	}
	return strings.Join(names, " or ")
}

// isNumber reports whether a time is a number, perhaps with decimals or an exponent.
func isNumber(text string) bool {
	text = strings.TrimPrefix(text, "-")
	return simple(text, '.') || simple(text, ',')
}

// readings are those that a number may have by its size.
func readings(text string) (fits reading) {
	for r := years; r <= nanoseconds; r <<= 1 {
		if r.fits(text) {
			fits |= r
		}
	}
	return fits
}

// fits reports whether a number has the size of a year from 1678 to 2262, or of an instant from
// 1973, where the units do not meet, to 2262. Numbers such as 2025020410 may be hours or seconds of
// 2034, those such as 202502041015 minutes or milliseconds of 1976.
func (r reading) fits(text string) bool {
	n := r.numeral()
	whole, decimals := digits(text)
	if strings.Trim(whole, "0123456789") != "" {
		return false
	}
	if n.layout == "" {
		length := len(whole) - n.places
		return length == 9 || length == 10 && whole < "9223372036"
	}
	if len(whole) != n.digits || decimals != "" {
		return false
	}
	t, err := n.read(whole, "", time.UTC)
	y := t.Year()
	return err == nil && y >= 1678 && y <= 2262 &&
		(r != hours && r != minutes || y >= 1900 && y < 2100)
}

// digits are those before and after the decimal mark, without exponent.
func digits(text string) (whole, decimals string) {
	text = strings.Replace(text, ",", ".", 1)
	if strings.Contains(text, "e") || strings.Contains(text, "E") {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			text = strconv.FormatFloat(f, 'f', -1, 64)
		}
	}
	whole, decimals, _ = strings.Cut(text, ".")
	return whole, strings.TrimRight(decimals, "0")
}

// read reads a number, exactly to the nanosecond.
func (n *numeral) read(whole, decimals string, zone *time.Location) (time.Time, error) {
	if n.layout != "" {
		if before, _, ok := strings.Cut(n.layout, "."); ok && len(whole) == n.digits {
			whole = whole[:len(before)] + "." + whole[len(before):]
		}
		t, err := time.ParseInLocation(n.layout, whole, zone)
		if err != nil {
			err = errors.New("is no such time")
		}
		return t, err
	}
	whole, negative := strings.CutPrefix(whole, "-")
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > n.places+11 || strings.Trim(whole, "0123456789") != "" {
		return time.Time{}, errors.New("is too large")
	}
	whole = strings.Repeat("0", max(0, n.places+1-len(whole))) + whole
	whole, nanos := whole[:len(whole)-n.places], whole[len(whole)-n.places:]+decimals+"000000000"
	s, _ := strconv.ParseInt(whole, 10, 64)
	ns, _ := strconv.ParseInt(nanos[:9], 10, 64) // both are digits
	if negative {
		s, ns = -s, -ns
	}
	return time.Unix(s, ns).UTC(), nil
}
