package source

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/message"
)

// unit is what numbers in a column of times mean; a set of units, while it is not yet told.
type unit uint16

const (
	years      unit = 1 << iota // 1999
	days                        // 20250204
	hours                       // 2025020410
	minutes                     // 202502041015
	daySeconds                  // 20250204101500
	dayMillis                   // 20250204101500250
	seconds                     // since 1970, as all that follow
	milliseconds
	microseconds
	nanoseconds
)

var unitNames = map[unit]string{
	years: "years", days: "dates (YYYYMMDD)", hours: "hours (YYYYMMDDhh)", minutes: "minutes (YYYYMMDDhhmm)",
	daySeconds: "seconds (YYYYMMDDhhmmss)", dayMillis: "milliseconds (YYYYMMDDhhmmssSSS)",
	seconds: "seconds", milliseconds: "milliseconds", microseconds: "microseconds", nanoseconds: "nanoseconds",
}

// String names the units of a set.
func (u unit) String() string {
	var names []string
	for ; u != 0; u &= u - 1 {
		names = append(names, unitNames[u&-u])
	}
	return strings.Join(names, " or ")
}

// times reads a column of times. Its unit, or the order of day and month, is told by what has been
// observed, or it is given by a layout.
type times struct {
	given  layout
	zone   *time.Location
	unit   unit  // those that all numbers so far may have; 0 without any
	order  order // those that all dates so far may have; 0 without any
	number example
	date   example
	wrong  example     // the first that is no time
	right  int         // those that are times
	text   string      // the first date with month or year in front, for the plan
	form   *dateLayout // of the newest date
	zoned  bool        // all dates so far have a zone
	broken error       // two times that exclude each other
}

// An example is a time and its line, for errors.
type example struct {
	text string
	line int
}

func newTimes(o Options) (t times, err error) {
	if t.given, err = o.TimeFormat.parse(); err != nil {
		return t, fmt.Errorf("%s=%q: %w", formatVariable, o.TimeFormat, err)
	}
	if t.zone, err = o.Zone.location(); err != nil {
		err = fmt.Errorf("GENERATOR_INPUT_TIME_ZONE=%q: %w", o.Zone, err)
	}
	t.zoned = true
	return t, err
}

// observe takes a time as evidence.
func (t *times) observe(text string, line int) {
	here := example{text, line}
	if text == "" || t.given.layouts != nil || t.given.unit != 0 && isNumber(text) {
		return
	}
	if isNumber(text) {
		switch fits := units(text); {
		case fits == 0:
			t.observeWrong(here)
		case t.unit == 0:
			t.unit, t.number, t.right = fits, here, t.right+1
		case t.unit&fits == 0:
			t.conflict(t.number, t.unit.String(), here, fits.String())
		default:
			t.unit, t.right = t.unit&fits, t.right+1
		}
		return
	}
	s, ok := t.scan(text)
	if !ok {
		t.observeWrong(here)
		return
	}
	t.right++
	t.zoned = t.zoned && s.layout.zoned
	if t.text == "" {
		t.text = text
	}
	if !s.ordered() || t.given.order != 0 {
		return
	}
	switch fits := s.orders; {
	case t.order == 0:
		t.order, t.date = fits, here
	case t.order&fits == 0:
		t.conflict(t.date, "", here, "")
	case t.order != fits && fits&(fits-1) == 0:
		t.order, t.date = t.order&fits, here // the one that tells
	}
}

// scan reads a date, most often of the form that the one before had.
func (t *times) scan(text string) (stamp, bool) {
	s, ok := scanStamp(text, t.zone, t.form)
	if ok {
		t.form = s.layout
	}
	return s, ok
}

func (t *times) observeWrong(here example) {
	if t.wrong.line == 0 {
		t.wrong = here
	}
}

func (t *times) conflict(a example, meansA string, b example, meansB string) {
	if t.broken != nil {
		return
	}
	if meansA != "" {
		meansA, meansB = " ("+meansA+")", " ("+meansB+")"
	}
	t.broken = fmt.Errorf("line %d: time %s%s is not of one format with %s%s of line %d: set %s%s",
		b.line, quote(b.text), meansB, quote(a.text), meansA, a.line, formatVariable, formats)
}

// formats is the advice of every error about the format of times.
const formats = " to s, ms, us, ns, day-first, month-first or a format such as %d.%m.%Y %H:%M"

// settle decides by the evidence, or says why it does not tell.
func (t *times) settle() error {
	switch {
	case t.broken != nil:
		return t.broken
	case t.order == dayFirst|monthFirst:
		s, _ := t.scan(t.date.text)
		const day = "2 January 2006"
		return fmt.Errorf("line %d: time %s is %s or %s: set %s to day-first or month-first",
			t.date.line, quote(t.date.text),
			s.byDayFirst.Format(day), s.byMonthFirst.Format(day), formatVariable)
	case t.unit == hours|seconds:
		s, _ := readNumber(t.number.text, seconds, t.zone)
		h, _ := readNumber(t.number.text, hours, t.zone)
		return fmt.Errorf("line %d: time %s is %s (seconds since 1970) or %s: set %s to s or %%Y%%m%%d%%H", t.number.line,
			t.number.text, s.Format(time.RFC3339), h.Format(time.RFC3339), formatVariable)
	case t.right == 0 && t.wrong.line > 0:
		return fmt.Errorf("line %d: time %s is not in a format that tells itself: set %s%s",
			t.wrong.line, quote(t.wrong.text), formatVariable, formats)
	}
	if bits.OnesCount16(uint16(t.unit)) > 1 { // minutes or milliseconds of 1976
		t.unit &= -t.unit
	}
	return nil
}

// parse reads a time; an empty text is none. What has not been observed is told by this one.
func (t *times) parse(text string, line int) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	var at time.Time
	var err error
	switch {
	case t.given.layouts != nil:
		at, err = t.given.read(text, t.zone)
	case isNumber(text):
		at, err = t.parseNumber(text, line)
	default:
		at, err = t.parseDate(text, line)
	}
	if err != nil {
		return at, &message.Error{Reason: message.TimeInvalid, Detail: fmt.Sprintf("time %s %s", quote(text), t.unlike(err))}
	}
	return inRange(text, at)
}

// unlike says what a wrong time should have been.
func (t *times) unlike(err error) string {
	if t.given.layouts != nil {
		return fmt.Sprintf("does not have the format %s (%s)",
			strconv.Quote(t.given.layouts[0]), formatVariable)
	}
	return err.Error()
}

func (t *times) parseNumber(text string, line int) (time.Time, error) {
	u := t.given.unit
	if u == 0 {
		if t.unit == 0 {
			t.observe(text, line)
			if err := t.settle(); err != nil {
				return time.Time{}, err
			}
		}
		if u = t.unit; !numeralOf(u).fits(text) {
			return time.Time{}, fmt.Errorf("is none of the %s that the other times are (%s)",
				u, formatVariable)
		}
	}
	return readNumber(text, u, t.zone)
}

func (t *times) parseDate(text string, line int) (time.Time, error) {
	s, ok := t.scan(text)
	if !ok {
		return time.Time{}, fmt.Errorf("is no time such as 2006-01-02T15:04:05Z (%s)", formatVariable)
	}
	o := t.given.order
	if o == 0 && s.ordered() {
		if t.order == 0 {
			t.observe(text, line)
			if err := t.settle(); err != nil {
				return time.Time{}, err
			}
		}
		o = t.order
	}
	at := s.time(o)
	if at.IsZero() {
		return at, fmt.Errorf("has no such month: day and month are in the other order before (%s)",
			formatVariable)
	}
	return at, nil
}

// String describes the times for the plan.
func (t *times) String() string {
	var kinds []string
	u := t.given.unit
	if u == 0 {
		u = t.unit
	}
	if t.given.layouts != nil {
		kinds = append(kinds, "times have the format "+strconv.Quote(t.given.layouts[0]))
	}
	if u != 0 {
		kinds = append(kinds, "times are "+u.String())
	}
	if t.text != "" {
		kind := "times are such as " + t.text
		switch o := max(t.given.order, t.order); {
		case o == dayFirst:
			kind += ", the day first"
		case o == monthFirst:
			kind += ", the month first"
		}
		kinds = append(kinds, kind)
	}
	text := strings.Join(kinds, ", or ")
	if text != "" && (t.given.layouts != nil || t.text != "" && !t.zoned || u != 0 && u < seconds) {
		text += " in " + t.zone.String()
	}
	return text
}

// inRange rejects the times that a message cannot carry, the zero Time among them, which would pass
// for none.
func inRange(text string, t time.Time) (time.Time, error) {
	if t.IsZero() || (message.Message{Color: "-", Time: t}).Validate() != nil {
		return time.Time{}, &message.Error{
			Reason: message.TimeRange,
			Detail: fmt.Sprintf("time %s is outside the years 1678 to 2262", quote(text)),
		}
	}
	return t.UTC(), nil
}
