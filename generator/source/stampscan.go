package source

import "strings"

// scanStamp reads a date with or without a time of day and a zone, as databases, spreadsheets,
// loggers and programming languages write them:
//
//	2025-02-07T10:00:00.25Z   2025/02/07 10:00+01   20250207T100000   2025-02
//	07.02.2025 10:00          2/7/25 3:04 PM        7 Feb 2025        Feb 7, 2025
//	Fri, 07 Feb 2025 10:00:00 GMT   Fri Feb  7 10:00:00 2025   07/Feb/2025:10:00:00 +0100
func scanStamp(text string) (stamp, bool) {
	s := stampScanner{rest: hardSpaces.Replace(text)}
	w := s.word()
	if isWeekday(w) {
		s.skip(",. ")
		w = s.word()
	}
	if w != "" {
		s.month = monthNumber(w)
		s.skip(". ")
	}
	if w != "" && s.month == 0 || !s.date() {
		return s.stamp, false
	}
	if s.rest != "" && !(s.timeOfDay() && s.zone()) {
		return s.stamp, false
	}
	if s.year == 0 { // Fri Feb  7 10:00:00 2025
		s.skip(" ")
		if ok := s.setYear(s.number()); !ok {
			return s.stamp, false
		}
	}
	if s.rest != "" || s.first == 0 && !validDate(s.year, s.month, s.day) {
		return s.stamp, false
	}
	return s.stamp, s.first == 0 || s.orders() != 0
}

// hardSpaces stand before PM in some languages and programs.
var hardSpaces = strings.NewReplacer("\u00a0", " ", "\u202f", " ")

type stampScanner struct {
	stamp
	rest string
}

// date reads a date. The year is 0 if it follows the time of day.
func (s *stampScanner) date() bool {
	n, width := s.number()
	if s.month != 0 { // Feb 7, 2025
		s.day = n
		comma := strings.HasPrefix(s.rest, ",")
		s.skip(", ")
		if comma || !strings.Contains(s.rest, ":") {
			return width <= 2 && s.setYear(s.number())
		}
		s.rest = " " + s.rest
		return width == 1 || width == 2
	}
	if width == 8 { // 20250207
		s.year, s.month, s.day = n/10000, n/100%100, n%100
		return true
	}
	if s.rest == "" || width != 4 && width > 2 || width == 0 {
		return false
	}
	separator := s.rest[0]
	if isLetter(separator) {
		separator = 0
	} else if s.rest = s.rest[1:]; !strings.ContainsRune("-/. ", rune(separator)) {
		return false
	}
	if name := s.word(); name != "" { // 7 Feb 2025
		s.month = monthNumber(name)
		s.skip("-/., ")
		m, w := s.number()
		if width == 4 {
			s.year, s.day = n, m
			return s.month != 0 && w <= 2
		}
		s.day = n
		return s.month != 0 && s.setYear(m, w)
	}
	m, w := s.number()
	if w == 0 || w > 2 || separator == ' ' {
		return false
	}
	third := strings.HasPrefix(s.rest, string(separator))
	if third {
		s.rest = s.rest[1:]
	}
	switch {
	case width == 4 && !third:
		s.year, s.month, s.day = n, m, 1
		return s.rest == ""
	case width == 4:
		s.year, s.month = n, m
		s.day, w = s.number()
		return w == 1 || w == 2
	}
	s.first, s.second, s.dots = n, m, separator == '.'
	return third && n != 0 && s.setYear(s.number())
}

// setYear takes a year of four digits, or of two from 1969 to 2068.
func (s *stampScanner) setYear(n, width int) bool {
	if s.year = n; width == 2 {
		s.year += 1900
		if n < 69 {
			s.year += 100
		}
	}
	return width == 2 || width == 4
}

// timeOfDay reads 10:00:00.25, 10:00, 3:04 PM or 100000 after what separates it from the date.
func (s *stampScanner) timeOfDay() bool {
	if !strings.ContainsRune("T t_:,", rune(s.rest[0])) {
		return false
	}
	s.rest = s.rest[1:]
	s.skip(" ")
	n, width := s.number()
	switch {
	case width == 4 && !strings.HasPrefix(s.rest, ":"):
		s.hour, s.minute = n/100, n%100
	case width == 6:
		s.hour, s.minute, s.secs = n/10000, n/100%100, n%100
		s.decimals()
	case width > 2 || width == 0 || !strings.HasPrefix(s.rest, ":"):
		return false
	default:
		s.hour = n
		s.rest = s.rest[1:]
		if s.minute, width = s.number(); width != 2 {
			return false
		}
		if strings.HasPrefix(s.rest, ":") {
			s.rest = s.rest[1:]
			if s.secs, width = s.number(); width != 2 {
				return false
			}
			s.decimals()
		}
	}
	return s.half() && s.hour < 24 && s.minute < 60 && s.secs < 60
}

// decimals reads those of a second, and drops what is less than a nanosecond.
func (s *stampScanner) decimals() {
	if len(s.rest) < 2 || s.rest[0] != '.' && s.rest[0] != ',' || !isDigit(s.rest[1]) {
		return
	}
	s.rest = s.rest[1:]
	for unit := 100_000_000; s.rest != "" && isDigit(s.rest[0]); unit /= 10 {
		s.ns += int(s.rest[0]-'0') * unit
		s.rest = s.rest[1:]
	}
}

// half reads AM or PM.
func (s *stampScanner) half() bool {
	text := strings.TrimLeft(s.rest, " ")
	for _, h := range []string{"AM", "PM", "A.M.", "P.M."} {
		if len(text) < len(h) || !strings.EqualFold(text[:len(h)], h) {
			continue
		}
		s.rest = text[len(h):]
		if s.hour < 1 || s.hour > 12 {
			return false
		}
		s.hour %= 12
		if h[0] == 'P' {
			s.hour += 12
		}
		return true
	}
	return true
}

// zone reads Z, UTC, GMT, +01:00, +0100 or +01. Other names have no certain meaning.
func (s *stampScanner) zone() bool {
	text := strings.TrimLeft(s.rest, " ")
	if text == "" || isDigit(text[0]) {
		return text == "" || s.year == 0
	}
	s.rest, s.zoned = text, true
	if name := s.word(); name != "" {
		return name == "Z" || name == "z" || name == "UTC" || name == "GMT"
	}
	sign := 1
	switch s.rest[0] {
	case '-':
		sign = -1
	case '+':
	default:
		return false
	}
	s.rest = s.rest[1:]
	n, width := s.number()
	hours, minutes := n, 0
	switch {
	case width == 4:
		hours, minutes = n/100, n%100
	case width != 2:
		return false
	case strings.HasPrefix(s.rest, ":"):
		s.rest = s.rest[1:]
		if minutes, width = s.number(); width != 2 {
			return false
		}
	}
	s.offset = sign * (hours*3600 + minutes*60)
	return hours < 24 && minutes < 60
}

// number reads up to nine digits.
func (s *stampScanner) number() (n, width int) {
	for width < 9 && width < len(s.rest) && isDigit(s.rest[width]) {
		n = n*10 + int(s.rest[width]-'0')
		width++
	}
	s.rest = s.rest[width:]
	return n, width
}

func (s *stampScanner) word() string {
	n := 0
	for n < len(s.rest) && isLetter(s.rest[n]) {
		n++
	}
	word := s.rest[:n]
	s.rest = s.rest[n:]
	return word
}

func (s *stampScanner) skip(characters string) { s.rest = strings.TrimLeft(s.rest, characters) }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// monthNumber is that of an English month's name or its first three letters, 0 for another word.
func monthNumber(word string) int {
	return 1 + nameIndex(word, "january", "february", "march", "april", "may", "june", "july", "august",
		"september", "october", "november", "december")
}

func isWeekday(word string) bool {
	return nameIndex(word, "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday") >= 0
}

// nameIndex is the index of the name that a word is, or is the first three letters of; else -1.
func nameIndex(word string, names ...string) int {
	word = strings.ToLower(word)
	for i, name := range names {
		if word == name || word == name[:3] {
			return i
		}
	}
	return -1
}
