package message

import (
	"math"
	"strconv"
	"time"
)

// AppendJSON appends m to dst as the generator writes it: color, name and value in this order, then
// ts if m has a time, in milliseconds where they hold it exactly and as an RFC 3339 string where
// not. A Message that Validate rejects makes a payload that Decode rejects.
func (m Message) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"color":`...)
	dst = appendString(dst, m.Color)
	dst = append(dst, `,"name":`...)
	dst = appendString(dst, m.Name)
	dst = append(dst, `,"value":`...)
	dst = appendNumber(dst, m.Value)
	if !m.Time.IsZero() {
		dst = append(dst, `,"ts":`...)
		if m.Time.Nanosecond()%int(time.Millisecond) == 0 {
			dst = strconv.AppendInt(dst, m.Time.UnixMilli(), 10)
		} else {
			dst = append(dst, '"')
			dst = m.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
			dst = append(dst, '"')
		}
	}
	return append(dst, '}')
}

// appendNumber writes f in plain digits where a person would, else with an exponent; both are JSON.
func appendNumber(dst []byte, f float64) []byte {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
