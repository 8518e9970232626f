package message

import (
	"encoding/json"
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

func parseValue(raw json.RawMessage) (float64, error) {
	if !isNumber(raw) {
		return 0, errorf(ValueType, "value must be a number, not %.40s", raw)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, errorf(ValueRange, "value %.40s does not fit a double", raw)
	}
	return f, nil
}

func parseTime(raw json.RawMessage) (time.Time, error) {
	text, ok := asString(raw)
	switch {
	case ok:
		return parseTimeText(text)
	case isNumber(raw):
		return parseTimeNumber(string(raw))
	case isNull(raw):
		return time.Time{}, nil
	}
	return time.Time{}, errorf(TimeInvalid, "ts must be a number or a string, not %.40s", raw)
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
	if err := checkRange(at, number); err != nil {
		err.Detail += ": it was taken for milliseconds since 1970, which is " +
			at.Format(time.RFC3339) + guess(time.Unix(ms, 0), "seconds") +
			guess(time.UnixMicro(ms), "microseconds") + guess(time.Unix(0, ms), "nanoseconds")
		return time.Time{}, err
	}
	return at, nil
}

// checkRange returns an error if a time is not one of the wire's, nil if it is.
func checkRange(at time.Time, text string) *Error {
	switch {
	case at.Before(year2000):
		return errorf(Past, "ts %.40s is before the year 2000", text)
	case at.After(maxTime):
		return errorf(TimeRange, "ts %.40s is after the year 2262", text)
	}
	return nil
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
	if err := checkRange(at, text); err != nil {
		return time.Time{}, err
	}
	return at.UTC(), nil
}
