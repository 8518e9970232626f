package source

import (
	"cmp"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/message"
)

// times reads a column of times. How they are to be read is told by what has been observed, or it
// is given by a layout.
type times struct {
	given  layout
	zone   *time.Location
	number evidence    // for the reading of numbers
	date   evidence    // for that of dates which are written in two orders
	wrong  example     // the first that is no time
	right  int         // those that are times
	text   string      // the first date, for the plan
	form   *dateLayout // of the newest date
	zoned  bool        // all dates so far have a zone
	broken error       // two times that exclude each other
}

// An example is a time and its line, for errors.
type example struct {
	text string
	line int
}

// evidence is what the texts of a column tell about their reading.
type evidence struct {
	fits reading // those that all texts so far may have; 0 without any text
	by   example // the text that told it
}

// add takes a text that may have the readings fits. It returns an error if they exclude all that
// others may have.
func (e *evidence) add(fits reading, here example) error {
	switch both := e.fits & fits; {
	case e.fits == 0:
		*e = evidence{fits, here}
	case both == 0:
		return fmt.Errorf("line %d: time %s (%s) is not of one format with %s (%s) of line %d: set %s%s",
			here.line, quote(here.text), fits, quote(e.by.text), e.fits, e.by.line,
			formatVariable, formats)
	case both != e.fits:
		*e = evidence{both, here}
	}
	return nil
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
	if text == "" || t.given.layouts != nil {
		return
	}
	if isNumber(text) {
		if t.given.reading&numeric == 0 {
			t.take(&t.number, readings(text), here)
		}
		return
	}
	s, ok := t.scan(text)
	if !ok {
		t.take(&t.date, 0, here)
		return
	}
	t.zoned = t.zoned && s.layout.zoned
	t.text = cmp.Or(t.text, text)
	if s.ordered() && t.given.reading&orders == 0 {
		t.take(&t.date, s.orders, here)
	} else {
		t.right++
	}
}

func (t *times) take(e *evidence, fits reading, here example) {
	if fits == 0 {
		t.wrong = cmp.Or(t.wrong, here)
		return
	}
	t.right++
	if err := e.add(fits, here); t.broken == nil {
		t.broken = err
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

// formats is the advice of every error about the format of times.
const formats = " to s, ms, us, ns, day-first, month-first or a format such as %d.%m.%Y %H:%M"

// settle decides by the evidence, or says why it does not tell.
func (t *times) settle() error {
	switch {
	case t.broken != nil:
		return t.broken
	case t.date.fits == orders:
		s, _ := t.scan(t.date.by.text)
		const day = "2 January 2006"
		return fmt.Errorf("line %d: time %s is %s or %s: set %s to day-first or month-first",
			t.date.by.line, quote(t.date.by.text),
			s.byDayFirst.Format(day), s.byMonthFirst.Format(day), formatVariable)
	case t.number.fits == hours|seconds:
		here := t.number.by
		s, _ := t.read(here.text, seconds)
		h, _ := t.read(here.text, hours)
		return fmt.Errorf(
			"line %d: time %s is %s (seconds since 1970) or %s: set %s to s or %%Y%%m%%d%%H",
			here.line, here.text, s.Format(time.RFC3339), h.Format(time.RFC3339), formatVariable)
	case t.right == 0 && t.wrong.line > 0:
		return fmt.Errorf("line %d: time %s is not in a format that tells itself: set %s%s",
			t.wrong.line, quote(t.wrong.text), formatVariable, formats)
	}
	if bits.OnesCount16(uint16(t.number.fits)) > 1 { // minutes or milliseconds of 1976
		t.number.fits &= -t.number.fits
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
		if at, err = t.given.read(text, t.zone); err != nil {
			err = fmt.Errorf("does not have the format %s (%s)",
				strconv.Quote(t.given.layouts[0]), formatVariable)
		}
	case isNumber(text):
		at, err = t.parseNumber(text, line)
	default:
		at, err = t.parseDate(text, line)
	}
	if err != nil {
		return at, wrong(message.TimeInvalid, "time %s %v", quote(text), err)
	}
	return inRange(text, at)
}

func (t *times) parseNumber(text string, line int) (time.Time, error) {
	if given := t.given.reading & numeric; given != 0 {
		return t.read(text, given)
	}
	if err := t.learn(&t.number, text, line); err != nil {
		return time.Time{}, err
	}
	if t.number.fits == 0 {
		return time.Time{}, fmt.Errorf("is a number that does not tell its unit (%s)", formatVariable)
	} else if !t.number.fits.fits(text) {
		return time.Time{}, fmt.Errorf("is none of the %s that the other times are (%s)",
			t.number.fits, formatVariable)
	}
	return t.read(text, t.number.fits)
}

// read reads a number.
func (t *times) read(text string, r reading) (time.Time, error) {
	whole, decimals := digits(text)
	return r.numeral().read(whole, decimals, t.zone)
}

// learn observes a text if there is no evidence yet.
func (t *times) learn(e *evidence, text string, line int) error {
	if e.fits != 0 {
		return nil
	}
	t.observe(text, line)
	return t.settle()
}

func (t *times) parseDate(text string, line int) (time.Time, error) {
	s, ok := t.scan(text)
	if !ok {
		return time.Time{}, fmt.Errorf("is no time such as 2006-01-02T15:04:05Z (%s)", formatVariable)
	}
	order := t.given.reading & orders
	if order == 0 && s.ordered() {
		if err := t.learn(&t.date, text, line); err != nil {
			return time.Time{}, err
		}
		order = t.date.fits
	}
	at := s.time(order)
	if at.IsZero() {
		return at, fmt.Errorf("has no such month: day and month are in the other order before (%s)",
			formatVariable)
	}
	return at, nil
}

// String describes the times for the plan.
func (t *times) String() string {
	var kinds []string
	number := cmp.Or(t.given.reading&numeric, t.number.fits)
	if t.given.layouts != nil {
		kinds = append(kinds, "times have the format "+strconv.Quote(t.given.layouts[0]))
	}
	if number != 0 {
		kinds = append(kinds, "times are "+number.String())
	}
	if t.text != "" {
		kind := "times are such as " + t.text
		if order := cmp.Or(t.given.reading&orders, t.date.fits); order != 0 {
			kind += ", the " + order.String()
		}
		kinds = append(kinds, kind)
	}
	text := strings.Join(kinds, ", or ")
	dated := number != 0 && number < seconds
	if text != "" && (t.given.layouts != nil || t.text != "" && !t.zoned || dated) {
		text += " in " + t.zone.String()
	}
	return text
}

// inRange rejects the times that a message cannot carry, the zero Time among them, which would pass
// for none.
func inRange(text string, t time.Time) (time.Time, error) {
	if t.IsZero() || (message.Message{Color: "-", Time: t}).Validate() != nil {
		return time.Time{}, wrong(message.TimeRange,
			"time %s is outside the years 1678 to 2262", quote(text))
	}
	return t.UTC(), nil
}
