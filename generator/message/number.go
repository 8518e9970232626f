package message

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// IsDecimal reports whether s is a number in decimal digits: with a sign, a decimal point or an
// exponent, but not 0x10, 1_0, Inf and NaN.
func IsDecimal(s string) bool {
	if strings.Trim(s, "+-.eE0123456789") != "" {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return !errors.Is(err, strconv.ErrSyntax)
}

func parseValue(number string) (float64, error) {
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, errorf(ValueRange, "value %.40s does not fit a double", number)
	}
	return f, nil
}

// parseTimeNumber reads milliseconds since 1970, which may have a fraction.
func parseTimeNumber(number string) (time.Time, error) {
	ms, err := strconv.ParseInt(number, 10, 64)
	fraction := 0.0
	if err != nil {
		var f float64
		f, _ = strconv.ParseFloat(number, 64) // an infinity is out of range
		f, fraction = math.Modf(max(-1e18, min(f, 1e19/4)))
		ms = int64(f)
	}
	at := time.UnixMilli(ms).Add(time.Duration(fraction * float64(time.Millisecond))).UTC()
	const taken = "it was taken for milliseconds since 1970"
	switch {
	case at.Before(year2000):
		return time.Time{}, errorf(Past, "ts %.40s is before the year 2000: %s, which is %s%s",
			number, taken, at.Format(time.RFC3339), guess(time.Unix(ms, 0), "seconds"))
	case at.After(maxTime):
		return time.Time{}, errorf(TimeRange, "ts %.40s is after the year 2262: %s%s%s",
			number, taken, guess(time.UnixMicro(ms),
				"microseconds"), guess(time.Unix(0, ms), "nanoseconds"))
	}
	return at, nil
}

// guess names the unit in which a rejected ts would be a time of these years.
func guess(at time.Time, unit string) string {
	if at.Before(year2000) || at.Year() > 2100 {
		return ""
	}
	return fmt.Sprintf("; as %s it is %s", unit, at.UTC().Format(time.RFC3339))
}

// parseTimeText reads RFC 3339, whose offset may lack its colon.
func parseTimeText(text string) (time.Time, error) {
	full := text
	if colon := len(text) - 2; colon > 2 && (text[colon-3] == '+' || text[colon-3] == '-') {
		full = text[:colon] + ":" + text[colon:]
	}
	var at time.Time
	switch {
	case at.UnmarshalText([]byte(full)) == nil:
	case at.UnmarshalText([]byte(text+"Z")) == nil:
		return time.Time{}, errorf(TimeInvalid,
			"ts %.40q has no time zone: end it in Z or in an offset such as +01:00", text)
	case IsDecimal(text):
		return time.Time{}, errorf(TimeInvalid, "ts %.40q is a number in quotation marks", text)
	default:
		return time.Time{}, errorf(TimeInvalid, "ts %.40q is no RFC 3339 time", text)
	}
	switch at = at.UTC(); {
	case at.Before(year2000):
		return time.Time{}, errorf(Past, "ts %.40q is before the year 2000", text)
	case at.After(maxTime):
		return time.Time{}, errorf(TimeRange, "ts %.40q is after the year 2262", text)
	}
	return at, nil
}
