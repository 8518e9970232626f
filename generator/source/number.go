package source

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"colorstream/generator/message"
)

// decimals reads numbers as people write them in tables. Whether the decimals follow a point or a
// comma is told by the column: 1,5 has a comma and 1,234.5 a point, and 1,234 is either.
type decimals struct {
	mark     Decimal // set once it is known
	possible Decimal // the mark of all numbers so far that have but one; "" without one
	doubtful example // the first number with a comma that may be either
}

// fits reports with which decimal marks a text is a number.
func (d *decimals) fits(text string) (point, comma bool) {
	return d.mark != Comma && number(text, Point) != "", d.mark != Point && number(text, Comma) != ""
}

// observe takes a value as evidence. Values with a point win over those with a comma, so that one
// wrong value in a column does not turn the others.
func (d *decimals) observe(text string, line int) {
	if d.mark != "" || !strings.ContainsAny(text, ".,") {
		return
	}
	switch point, comma := d.fits(text); {
	case point && comma && strings.Contains(text, ","):
		d.doubtful = cmp.Or(d.doubtful, example{text, line})
	case point && !comma:
		d.possible = Point
	case comma && !point:
		d.possible = cmp.Or(d.possible, Comma)
	}
}

// settle decides by the evidence.
func (d *decimals) settle() error {
	d.mark = cmp.Or(d.mark, d.possible)
	if d.mark != "" || d.doubtful.line == 0 {
		return nil
	}
	n, _ := strconv.ParseFloat(number(d.doubtful.text, Comma), 64)
	m, _ := strconv.ParseFloat(number(d.doubtful.text, Point), 64)
	return fmt.Errorf("line %d: value %.40q is %g or %g: set GENERATOR_INPUT_DECIMAL to point or comma",
		d.doubtful.line, d.doubtful.text, n, m)
}

// parse reads a value.
func (d *decimals) parse(text string, line int) (float64, error) {
	if text == "" {
		return 0, wrong(message.ValueMissing, "there is no value")
	}
	mark := d.mark
	if mark == "" {
		d.observe(text, line)
		if err := d.settle(); err != nil {
			return 0, wrong(message.ValueType, "%v", err)
		}
		mark = cmp.Or(d.mark, Point) // 1234 and 1.234, as long as nothing speaks for a comma
	}
	plain := number(text, mark)
	if plain == "" {
		hint := ""
		if strings.Contains(text, ",") {
			hint = fmt.Sprintf(" (decimals follow a %s in this input: GENERATOR_INPUT_DECIMAL)", mark)
		}
		return 0, wrong(message.ValueType, "value %.40q is not a number%s", text, hint)
	}
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil {
		return 0, wrong(message.ValueRange, "value %.40q does not fit a double", text)
	}
	return f, nil
}

// grouped finds digits in groups of three.
var grouped = regexp.MustCompile(`^[+-]?\d{1,3}(?:[.,' \x{a0}\x{202f}]\d{3})+$`)

// number rewrites a number as strconv reads it: 1.234,5 becomes 1234.5. It returns "" for what is
// no number: digits, in groups of three if at all, decimals, an exponent; not Inf, NaN, 0x10 and
// 1_0.
func number(text string, mark Decimal) string {
	if mark == Point && message.IsDecimal(text) {
		return text
	}
	point := "."
	if mark == Comma {
		point = ","
	}
	whole, decimals, marked := strings.Cut(text, point)
	if grouped.MatchString(whole) {
		whole = strings.Map(func(r rune) rune {
			if strings.ContainsRune("+-0123456789", r) {
				return r
			}
			return -1
		}, whole)
	} else if strings.Contains(whole, ".") {
		return ""
	}
	if marked {
		whole += "." + decimals
	}
	if !message.IsDecimal(whole) {
		return ""
	}
	return whole
}
