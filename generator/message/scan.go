package message

import (
	"strconv"
	"strings"
	"time"
)

// scan reads the first message of s into m if it has exactly the shape that AppendJSON writes for
// an ASCII colour and name (no white space, no escapes, fields in order), and returns what follows.
// It reports false for everything else, also for what is wrong: the strict decoder then finds the
// reason. It allocates nothing.
func scan(s string, m *Message) (rest string, ok bool) {
	if s, ok = strings.CutPrefix(s, `{"color":"`); !ok {
		return s, false
	}
	n := plain(s)
	if n == 0 || n > MaxColor || s[0] == ' ' || s[n-1] == ' ' {
		return s, false
	}
	m.Color = s[:n]
	if s, ok = strings.CutPrefix(s[n:], `","name":"`); !ok {
		return s, false
	}
	n = plain(s)
	m.Name = s[:n]
	if s, ok = strings.CutPrefix(s[n:], `","value":`); !ok {
		return s, false
	}
	if m.Value, s, ok = scanNumber(s); !ok {
		return s, false
	}
	if ts, ok := strings.CutPrefix(s, `,"ts":`); ok {
		var ms int64
		if ms, s, ok = scanMillis(ts); !ok {
			return s, false
		}
		m.Time = time.UnixMilli(ms).UTC()
	}
	if s == "" || s[0] != '}' {
		return s, false
	}
	return s[1:], true
}

// plain counts the bytes at the start of s that stand for themselves in a JSON string and in a
// colour: ASCII letters, digits, punctuation and space, without quotation mark and backslash.
func plain(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

// scanMillis reads 12 or 13 digits that are milliseconds from 2000 to 2262.
func scanMillis(s string) (ms int64, rest string, ok bool) {
	const first, last = 946_684_800_000, 9_223_372_036_854
	i := 0
	for ; i < len(s) && i < 14 && '0' <= s[i] && s[i] <= '9'; i++ {
		ms = ms*10 + int64(s[i]-'0')
	}
	return ms, s[i:], i <= 13 && first <= ms && ms <= last && s[0] != '0'
}

// pow10 holds the powers of ten that a double holds exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
}

// scanNumber reads a JSON number. Up to 15 digits without exponent are exact as an integer below
// 2^53 divided by an exact power of ten, a single rounding, so the result is strconv's (W. D.
// Clinger, "How to Read Floating Point Numbers Accurately", 1990, gives the argument); all others
// go to strconv.
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
