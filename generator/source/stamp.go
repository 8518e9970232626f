package source

import "time"

// A stamp is a date and perhaps a time of day, as it was written.
type stamp struct {
	year, month, day       int
	first, second          int  // instead of month and day: their order is not told
	dots                   bool // between first and second
	hour, minute, secs, ns int
	zoned                  bool
	offset                 int // of the zone, in seconds
}

// order is that of day and month in dates that end in the year.
type order uint8

const (
	dayFirst order = 1 << iota
	monthFirst
)

// orders are those in which the date is one. A date with points is never month-first, unless it
// can be nothing else.
func (s stamp) orders() (possible order) {
	if s.first == 0 {
		return dayFirst | monthFirst
	}
	if validDate(s.year, s.second, s.first) {
		possible |= dayFirst
	}
	if validDate(s.year, s.first, s.second) && !(s.dots && possible != 0) {
		possible |= monthFirst
	}
	return possible
}

// time is the instant. Without a zone of its own the stamp is in the given one.
func (s stamp) time(o order, zone *time.Location) time.Time {
	if s.first != 0 {
		s.day, s.month = s.first, s.second
		if o == monthFirst {
			s.day, s.month = s.second, s.first
		}
	}
	if s.zoned {
		zone = time.FixedZone("", s.offset)
	}
	return time.Date(s.year, time.Month(s.month), s.day, s.hour, s.minute, s.secs, s.ns, zone)
}

func validDate(year, month, day int) bool {
	return month >= 1 && month <= 12 && day >= 1 && day <= time.Date(year, time.Month(month+1), 0, 0, 0, 0, 0, time.UTC).Day()
}
