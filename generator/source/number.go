package source

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

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
	return d.mark != Comma && number(text, '.', ',') != "",
		d.mark != Point && number(text, ',', '.') != ""
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
	n, _ := strconv.ParseFloat(number(d.doubtful.text, ',', '.'), 64)
	m, _ := strconv.ParseFloat(number(d.doubtful.text, '.', ','), 64)
	return fmt.Errorf("line %d: value %s is %g or %g: set GENERATOR_INPUT_DECIMAL to point or comma",
		d.doubtful.line, quote(d.doubtful.text), n, m)
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
	plain := number(text, '.', ',')
	if mark == Comma {
		plain = number(text, ',', '.')
	}
	if plain == "" {
		hint := ""
		if strings.Contains(text, ",") {
			hint = fmt.Sprintf(" (decimals follow a %s in this input: GENERATOR_INPUT_DECIMAL)", mark)
		}
		return 0, wrong(message.ValueType, "value %s is not a number%s", quote(text), hint)
	}
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil {
		return 0, wrong(message.ValueRange, "value %s does not fit a double", quote(text))
	}
	return f, nil
}

// number rewrites a number as strconv reads it: 1.234,5 becomes 1234.5. It returns "" for what is
// no number: digits, in groups of three if at all, decimals, an exponent; not Inf, NaN, 0x10 and
// 1_0.
func number(text string, mark, group rune) string {
	body := strings.TrimLeft(text, "+-")
	if len(text)-len(body) > 1 {
		return ""
	}
	if simple(body, byte(mark)) {
		if mark == '.' {
			return text
		}
		return strings.Replace(text, string(mark), ".", 1)
	}
	whole, decimals, marked := strings.Cut(body, string(mark))
	whole = ungroup(whole, group)
	plain := whole
	if marked {
		plain += "." + decimals
	}
	if whole == "" || !simple(plain, '.') {
		return ""
	}
	return text[:len(text)-len(body)] + plain
}

// simple reports whether a text is digits with at most one mark and an exponent.
func simple(s string, mark byte) bool {
	digits, marked := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == mark && !marked:
			marked = true
		case (c == 'e' || c == 'E') && digits > 0:
			exponent := strings.TrimLeft(s[i+1:], "+-")
			return len(s)-i-1-len(exponent) <= 1 &&
				exponent != "" && strings.Trim(exponent, "0123456789") == ""
		default:
			return false
		}
	}
	return digits > 0
}

// ungroup takes the separators out of digits in groups of three, and returns "" for other groups.
func ungroup(whole string, group rune) string {
	groups := strings.FieldsFunc(whole, func(r rune) bool {
		return r == group || r == ' ' || r == '\u00a0' || r == '\u202f' || r == '\''
	})
	length := len(groups) - 1
	for i, g := range groups {
		length += len(g)
		if i > 0 && len(g) != 3 || len(g) > 3 || strings.Trim(g, "0123456789") != "" {
			return ""
		}
	}
	if len(groups) < 2 || utf8.RuneCountInString(whole) != length {
		return ""
	}
	return strings.Join(groups, "")
}

// quote keeps an error short and on one line whatever stands in the input.
func quote(text string) string {
	const most = 40
	if len(text) > most {
		return strconv.Quote(strings.ToValidUTF8(text[:most], "")) + "…"
	}
	return strconv.Quote(text)
}
