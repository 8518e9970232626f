package source

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// isNumber reports whether a time is a number, perhaps with decimals or an exponent.
func isNumber(text string) bool {
	return simple(strings.TrimPrefix(text, "-"), '.') || simple(strings.TrimPrefix(text, "-"), ',')
}

// A numeral is how a unit is written.
type numeral struct {
	unit   unit
	digits int    // of the number, for those that are dates
	layout string // likewise
	places int    // a unit is 10^-places seconds, for those since 1970
}

var numerals = []numeral{
	{years, 4, "2006", 0},
	{days, 8, "20060102", 0},
	{hours, 10, "2006010215", 0},
	{minutes, 12, "200601021504", 0},
	{daySeconds, 14, "20060102150405", 0},
	{dayMillis, 17, "20060102150405.000", 0},
	{seconds, 0, "", 0},
	{milliseconds, 0, "", 3},
	{microseconds, 0, "", 6},
	{nanoseconds, 0, "", 9},
}

// numeralOf is the numeral of a single unit.
func numeralOf(u unit) numeral { return numerals[bits.TrailingZeros16(uint16(u))] }

// units are those that a number may have by its size.
func units(text string) (fits unit) {
	for _, n := range numerals {
		if n.fits(text) {
			fits |= n.unit
		}
	}
	return fits
}

// fits reports whether a number has the size of a year from 1678 to 2262, or of an instant from
// 1973, where the units do not meet, to 2262. Numbers such as 2025020410 may be hours or seconds of
// 2034, those such as 202502041015 minutes or milliseconds of 1976.
func (n numeral) fits(text string) bool {
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
		(n.unit != hours && n.unit != minutes || y >= 1900 && y < 2100)
}

// digits are those before and after the decimal mark, without exponent.
func digits(text string) (whole, decimals string) {
	if strings.ContainsAny(text, "eE") {
		if f, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64); err == nil {
			text = strconv.FormatFloat(f, 'f', -1, 64)
		}
	}
	whole, decimals, _ = strings.Cut(strings.Replace(text, ",", ".", 1), ".")
	return whole, strings.TrimRight(decimals, "0")
}

// readNumber reads a number of the unit, exactly to the nanosecond.
func readNumber(text string, u unit, zone *time.Location) (time.Time, error) {
	whole, decimals := digits(text)
	return numeralOf(u).read(whole, decimals, zone)
}

func (n numeral) read(whole, decimals string, zone *time.Location) (time.Time, error) {
	if n.layout != "" {
		if n.unit == dayMillis && len(whole) == n.digits {
			whole = whole[:14] + "." + whole[14:]
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
