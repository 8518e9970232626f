package message

import (
	"strconv"
	"strings"
	"time"
)

// scan reads exactly the shape that AppendJSON writes for an ASCII colour and name: no white space, no escapes,
// fields in order. It answers false for everything else, also for what is wrong: the strict decoder then finds
// the reason. It allocates nothing.
func scan(s string) (Message, bool) {
	var m Message
	var ok bool
	if s, ok = strings.CutPrefix(s, `{"color":"`); !ok {
		return m, false
	}
	n := plain(s)
	if n == 0 || n > MaxColor {
		return m, false
	}
	m.Color = s[:n]
	if s, ok = strings.CutPrefix(s[n:], `","name":"`); !ok {
		return m, false
	}
	n = plain(s)
	m.Name = s[:n]
	if s, ok = strings.CutPrefix(s[n:], `","value":`); !ok {
		return m, false
	}
	if m.Value, s, ok = scanNumber(s); !ok {
		return m, false
	}
	if s == "}" {
		return m, true
	}
	if s, ok = strings.CutPrefix(s, `,"ts":`); !ok {
		return m, false
	}
	ms, rest, ok := scanDigits(s)
	if !ok || rest != "}" {
		return m, false
	}
	m.Time = time.UnixMilli(ms).UTC()
	return m, true
}

// plain counts the bytes at the start of s that stand for themselves in a JSON string and in a colour: ASCII
// letters, digits, punctuation and space, without quotation mark and backslash.
func plain(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

// scanDigits reads 1 to 13 digits without a leading zero: every instant from 1970 to 2286 in milliseconds; those
// past 2262 have 13 digits too and are left to the strict decoder.
func scanDigits(s string) (n int64, rest string, ok bool) {
	const most = 9_223_372_036_854 // 2262-04-11T23:47:16.854Z
	i := 0
	for ; i < len(s) && i < 14 && '0' <= s[i] && s[i] <= '9'; i++ {
		n = n*10 + int64(s[i]-'0')
	}
	if i == 0 || i > 13 || n > most || (s[0] == '0' && i > 1) {
		return 0, s, false
	}
	return n, s[i:], true
}

// pow10 holds the powers of ten that a double holds exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
	1e20, 1e21, 1e22,
}

// scanNumber reads a JSON number. Up to 15 digits without exponent are exact as an integer below 2^53 divided by
// an exact power of ten, a single rounding, so the result is strconv's (W. D. Clinger, "How to Read Floating
// Point Numbers Accurately", 1990, gives the argument); all others go to strconv.
func scanNumber(s string) (f float64, rest string, ok bool) {
	i, negative := 0, false
	if i < len(s) && s[i] == '-' {
		negative = true
		i++
	}
	first := i
	var mantissa uint64
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		mantissa = mantissa*10 + uint64(s[i]-'0')
	}
	digits := i - first
	if digits == 0 || (s[first] == '0' && digits > 1) {
		return 0, s, false
	}
	fraction := 0
	if i < len(s) && s[i] == '.' {
		i++
		for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
			mantissa = mantissa*10 + uint64(s[i]-'0')
			fraction++
		}
		if fraction == 0 {
			return 0, s, false
		}
	}
	simple := digits+fraction <= 15
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		simple = false
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		exponent := i
		for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		}
		if i == exponent {
			return 0, s, false
		}
	}
	if !simple {
		f, err := strconv.ParseFloat(s[:i], 64)
		return f, s[i:], err == nil
	}
	f = float64(mantissa)
	if fraction > 0 {
		f /= pow10[fraction]
	}
	if negative {
		f = -f
	}
	return f, s[i:], true
}
