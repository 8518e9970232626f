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
	n, value := digits(s)
	return int64(value), s[n:], n <= 13 && first <= value && value <= last && s[0] != '0'
}

// scanNumber reads a number of digits, perhaps with a sign and decimals. One with an exponent is
// left to the strict decoder.
func scanNumber(s string) (f float64, rest string, ok bool) {
	first := 0
	if s != "" && s[0] == '-' {
		first = 1
	}
	n, value := digits(s[first:])
	if n == 0 || s[first] == '0' && n > 1 {
		return 0, s, false
	}
	end := first + n
	if end < len(s) && s[end] == '.' {
		decimals, _ := digits(s[end+1:])
		if decimals == 0 {
			return 0, s, false
		}
		end += 1 + decimals
	} else if first == 0 && n <= 19 {
		return float64(value), s[end:], true // most values
	}
	f, err := strconv.ParseFloat(s[:end], 64)
	return f, s[end:], err == nil
}

// digits counts those at the start of s. Their value is right up to 19 of them.
func digits(s string) (n int, value uint64) {
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		value = value*10 + uint64(s[n]-'0')
		n++
	}
	return n, value
}
