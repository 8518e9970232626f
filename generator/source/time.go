package source

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/message"
)

// TimeUnit is the unit of times that are numbers since 1970.
type TimeUnit string

// The units. UnitAuto takes a number below 10^11 for seconds (until the year 5138), below 10^14 for milliseconds,
// below 10^17 for microseconds, and above for nanoseconds.
const (
	UnitAuto TimeUnit = "auto"
	UnitS    TimeUnit = "s"
	UnitMS   TimeUnit = "ms"
	UnitUS   TimeUnit = "us"
	UnitNS   TimeUnit = "ns"
)

// UnmarshalText refuses every other word.
func (u *TimeUnit) UnmarshalText(text []byte) error {
	switch *u = TimeUnit(text); *u {
	case UnitAuto, UnitS, UnitMS, UnitUS, UnitNS:
		return nil
	}
	return errors.New("is none of s, ms, us, ns and auto")
}

// layouts are those of RFC 3339 and what databases and spreadsheets make of it. Without a zone a time is UTC.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02"}

// parseTime reads a time; an empty text is no time.
func parseTime(text string, unit TimeUnit) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if strings.Trim(text, "0123456789+-.") == "" && !strings.ContainsRune(text[1:], '-') {
		return epoch(text, unit)
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return inRange(text, t.UTC())
		}
	}
	return time.Time{}, &message.Error{
		Reason: message.TimeInvalid,
		Detail: fmt.Sprintf("ts %s is neither a number nor a time such as 2006-01-02T15:04:05Z", quote(text)),
	}
}

// epoch reads seconds or fractions of them since 1970, exactly to the nanosecond.
func epoch(text string, unit TimeUnit) (time.Time, error) {
	negative := strings.HasPrefix(text, "-")
	whole, fraction, _ := strings.Cut(strings.TrimLeft(text, "+-"), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, invalidTime(text, err)
	}
	digits := 0 // a unit is 10^-digits seconds
	switch {
	case unit == UnitMS, unit == UnitAuto && n >= 1e11 && n < 1e14:
		digits = 3
	case unit == UnitUS, unit == UnitAuto && n >= 1e14 && n < 1e17:
		digits = 6
	case unit == UnitNS, unit == UnitAuto && n >= 1e17:
		digits = 9
	}
	part := strconv.FormatInt(n, 10)
	part = strings.Repeat("0", max(0, digits-len(part))) + part
	seconds, nanos := part[:len(part)-digits], part[len(part)-digits:]+fraction
	nanos = (nanos + "000000000")[:9]
	s, _ := strconv.ParseInt("0"+seconds, 10, 64) // they are digits of n
	ns, err := strconv.ParseInt(nanos, 10, 64)
	if err != nil {
		return time.Time{}, invalidTime(text, err)
	}
	if negative {
		s, ns = -s, -ns
	}
	const last = 1 << 34 // seconds; the year 2514, so that the time does not overflow
	if s < -last || s > last {
		s = last
	}
	return inRange(text, time.Unix(s, ns).UTC())
}

func invalidTime(text string, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return &message.Error{Reason: message.TimeRange, Detail: fmt.Sprintf("ts %s is too large", quote(text))}
	}
	return &message.Error{Reason: message.TimeInvalid, Detail: fmt.Sprintf("ts %s is not a number", quote(text))}
}

// inRange refuses the times that a message cannot carry, the zero Time among them, which would pass for none.
func inRange(text string, t time.Time) (time.Time, error) {
	if t.IsZero() || (message.Message{Color: "-", Time: t}).Validate() != nil {
		return time.Time{}, &message.Error{
			Reason: message.TimeRange,
			Detail: fmt.Sprintf("ts %s is outside the years 1678 to 2262", quote(text)),
		}
	}
	return t, nil
}
