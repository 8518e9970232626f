package source

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/message"
)

// times reads a column of times. How they are to be read is told by what has been observed, or it
// is given by the options.
type times struct {
	layouts []string // of package time, if they are given; the first that fits counts
	zone    *time.Location
	number  evidence // for the reading of numbers
	date    evidence // for that of dates which are written in two orders
	wrong   example  // the first that is no time
	text    string   // the first date, for the plan
	form    string   // of the newest date
	unzoned bool     // a date has no zone
}

// An example is a time and its line, for errors.
type example struct {
	text string
	line int
}

// evidence is what the texts of a column tell about their reading.
type evidence struct {
	fits  reading // those that all texts so far may have; 0 without any text
	by    example // the text that told it
	given bool    // whatever the texts tell
}

// add takes a text that may have the readings fits. It returns an error if they exclude all that
// others may have.
func (e *evidence) add(fits reading, here example) error {
	switch both := e.fits & fits; {
	case e.given:
		e.by = here
	case e.fits == 0:
		e.fits, e.by = fits, here
	case both == 0:
		return fmt.Errorf("line %d: time %.40q (%s) is not of one format with %.40q (%s) of line %d: set %s%s",
			here.line, here.text, fits, e.by.text, e.fits, e.by.line,
			formatVariable, formats)
	case both != e.fits:
		e.fits, e.by = both, here
	}
	return nil
}

func newTimes(o Options) (t times) {
	given, layouts, _ := o.TimeFormat.parse() // it has been parsed before, as the zone
	t.layouts = layouts
	t.zone, _ = o.Zone.location()
	t.number = evidence{fits: given & numeric, given: given&numeric != 0}
	t.date = evidence{fits: given & orders, given: given&orders != 0}
	return t
}

// observe takes a time as evidence. It returns an error if two exclude each other.
func (t *times) observe(text string, line int) error {
	if text == "" || t.layouts != nil {
		return nil
	}
	here, e := example{text, line}, &t.number
	var fits reading
	if !isNumber(text) {
		var ordered bool
		if fits, ordered = t.orders(text); fits != 0 {
			t.unzoned = t.unzoned || !strings.Contains(t.form, "Z07")
			t.text = cmp.Or(t.text, text)
		}
		if e = &t.date; fits != 0 && !ordered {
			return nil
		}
	} else if fits = readings(text); e.given {
		fits = e.fits
	}
	if fits == 0 {
		t.wrong = cmp.Or(t.wrong, here)
		return nil
	}
	return e.add(fits, here)
}

// orders are those of day and month in which a text is a date; it is ordered if they are not told
// by its form. A date with points is never month-first, unless it can be nothing else.
func (t *times) orders(text string) (fits reading, ordered bool) {
	for _, order := range []reading{dayFirst, monthFirst} {
		_, form, mark := scanDate(text, order, t.zone, t.form)
		if form != "" && (mark != "." || fits == 0) {
			t.form, ordered = form, mark != ""
			fits |= order
		}
	}
	return fits, ordered
}

// formats is the advice of every error about the format of times.
const formats = " to s, ms, us, ns, day-first, month-first or a format such as %d.%m.%Y %H:%M"

// settle decides by the evidence, or says why it does not tell.
func (t *times) settle() error {
	for _, e := range []evidence{t.date, t.number} {
		if e.fits == orders || e.fits == hours|seconds {
			one, other := e.fits&-e.fits, e.fits&(e.fits-1)
			a, _ := one.read(e.by.text, t.zone)
			b, _ := other.read(e.by.text, t.zone)
			return fmt.Errorf("line %d: time %.40q is %s (%s) or %s (%s): set %s to %s or %s",
				e.by.line, e.by.text, a.Format(time.RFC3339), one, b.Format(time.RFC3339), other,
				formatVariable, one.form().setting, other.form().setting)
		}
	}
	if t.wrong.line > 0 && t.text == "" && t.number.by.line == 0 {
		return fmt.Errorf("line %d: time %.40q is not in a format that tells itself: set %s%s",
			t.wrong.line, t.wrong.text, formatVariable, formats)
	}
	t.number.fits &= -t.number.fits // of minutes and milliseconds of 1976
	return nil
}

// parse reads a time; an empty text is none. What has not been observed is told by this one.
func (t *times) parse(text string, line int) (at time.Time, err error) {
	switch {
	case text == "":
		return at, nil
	case t.layouts != nil:
		at, err = t.parseLayouts(text)
	case isNumber(text):
		at, err = t.parseNumber(text, line)
	default:
		at, err = t.parseDate(text, line)
	}
	if err != nil {
		return at, wrong(message.TimeInvalid, "time %.40q %v", text, err)
	}
	// The zero Time would pass for none.
	if at.IsZero() || (message.Message{Color: "-", Time: at}).Validate() != nil {
		return at, wrong(message.TimeRange, "time %.40q is outside the years 1678 to 2262", text)
	}
	return at.UTC(), nil
}

func (t *times) parseLayouts(text string) (time.Time, error) {
	for _, layout := range t.layouts {
		if at, err := time.ParseInLocation(layout, text, t.zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("does not have the format %q (%s)", t.layouts[0], formatVariable)
}

func (t *times) parseNumber(text string, line int) (at time.Time, err error) {
	if err := t.learn(&t.number, text, line); err != nil {
		return at, err
	}
	if t.number.fits == 0 {
		return at, fmt.Errorf("is a number that does not tell its unit (%s)", formatVariable)
	}
	at, err = t.number.fits.read(text, t.zone)
	if !t.number.given && (err != nil || !t.number.fits.fits(at)) {
		err = fmt.Errorf("is none of the %s that the other times are (%s)", t.number.fits, formatVariable)
	}
	return at, err
}

// learn observes a text if there is no evidence yet.
func (t *times) learn(e *evidence, text string, line int) error {
	if e.fits != 0 {
		return nil
	}
	return errors.Join(t.observe(text, line), t.settle())
}

func (t *times) parseDate(text string, line int) (time.Time, error) {
	at, form, mark := scanDate(text, t.date.fits, t.zone, t.form)
	if mark != "" && t.date.fits == 0 {
		if err := t.learn(&t.date, text, line); err != nil {
			return at, err
		}
		at, form, _ = scanDate(text, t.date.fits, t.zone, t.form)
	}
	if form != "" {
		t.form = form
		return at, nil
	}
	if fits, _ := t.orders(text); fits != 0 {
		return at, fmt.Errorf("has no such month: day and month are in the other order before (%s)",
			formatVariable)
	}
	return at, fmt.Errorf("is no time such as 2006-01-02T15:04:05Z (%s)", formatVariable)
}

// String describes the times for the plan.
func (t *times) String() string {
	var kinds []string
	if t.layouts != nil {
		kinds = append(kinds, "times have the format "+strconv.Quote(t.layouts[0]))
	}
	if t.number.fits != 0 {
		kinds = append(kinds, "times are "+t.number.fits.String())
	}
	if t.text != "" {
		kind := "times are such as " + t.text
		if t.date.fits != 0 {
			kind += ", the " + t.date.fits.String()
		}
		kinds = append(kinds, kind)
	}
	text := strings.Join(kinds, ", or ")
	if t.layouts != nil || t.unzoned || t.number.fits != 0 && t.number.fits < seconds {
		text += " in " + t.zone.String()
	}
	return text
}
