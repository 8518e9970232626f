package source

import (
	"regexp"
	"strings"
	"time"
)

// A stamp is a text that was read as a date with or without a time of day, as databases,
// spreadsheets, loggers and programming languages write them:
//
//	2025-02-07T10:00:00.25Z   2025/02/07 10:00+01   20250207T100000   2025-02
//	07.02.2025 10:00          2/7/25 3:04 PM        7 Feb 2025        Feb 7, 2025
//	Fri, 07 Feb 2025 10:00:00 GMT   Fri Feb  7 10:00:00 2025   07/Feb/2025:10:00:00 +0100
type stamp struct {
	layout *dateLayout
	// orders are those in which it is a date. A date with points is never month-first, unless it can
	// be nothing else.
	orders                   reading
	byDayFirst, byMonthFirst time.Time
}

// ordered reports whether the order of day and month is not told by the form.
func (s stamp) ordered() bool { return s.layout.monthFirst != "" }

// time is the zero Time if the stamp is no date in the order.
func (s stamp) time(order reading) time.Time {
	if order == monthFirst && s.ordered() {
		return s.byMonthFirst
	}
	return s.byDayFirst
}

// A dateLayout is a form of dates, a layout of package time.
type dateLayout struct {
	text       string
	monthFirst string // the same with day and month swapped, where both are numbers before the year
	zoned      bool
}

// dateLayouts are all forms of a text that normalize has made plain.
var dateLayouts = func() (list []dateLayout) {
	clocks := []string{""}
	for _, clock := range []string{"15:04:05", "15:04", "3:04:05PM", "3:04PM", "150405", "1504"} {
		clocks = append(clocks, " "+clock, " "+clock+"Z07:00", " "+clock+"Z0700", " "+clock+"Z07")
	}
	for _, clock := range clocks {
		zoned := strings.Contains(clock, "Z")
		for _, day := range []string{
			"2006-1-2", "2006/1/2", "2006.1.2", "20060102",
			"2 Jan 2006", "Jan 2 2006", "2006 Jan 2", "2 Jan 06",
		} {
			list = append(list, dateLayout{day + clock, "", zoned})
		}
		for _, separator := range []string{"/", ".", "-"} {
			for _, year := range []string{"2006", "06"} {
				rest := separator + year + clock
				day, month := "2"+separator, "1"+separator
				list = append(list, dateLayout{day + month[:1] + rest, month + day[:1] + rest, zoned})
			}
		}
		list = append(list, dateLayout{"Jan 2" + clock + " 2006", "", zoned})
	}
	return append(list, dateLayout{"2006-1", "", false}, dateLayout{"2006/1", "", false})
}()

// rfc3339 is tried first, on the text as it is.
var rfc3339 = dateLayout{time.RFC3339, "", true}

// scanStamp reads a date. Without a zone of its own it is in the given one. The form that is tried
// before all others is that of the one before; nil for none.
func scanStamp(text string, zone *time.Location, before *dateLayout) (s stamp, ok bool) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return stamp{layout: &rfc3339, orders: orders, byDayFirst: at}, true
	}
	if len(text) > 64 {
		return s, false
	}
	text = normalize(text)
	if before != nil {
		if s, ok = before.read(text, zone); ok {
			return s, true
		}
	}
	for i := range dateLayouts {
		if s, ok = dateLayouts[i].read(text, zone); ok {
			return s, true
		}
	}
	return s, false
}

func (l *dateLayout) read(text string, zone *time.Location) (s stamp, ok bool) {
	s.layout = l
	at, err := time.ParseInLocation(l.text, text, zone)
	if err == nil {
		s.byDayFirst, s.orders = at, dayFirst
	}
	if l.monthFirst == "" {
		s.orders |= monthFirst
		return s, err == nil
	}
	if at, err := time.ParseInLocation(l.monthFirst, text, zone); err == nil {
		s.byMonthFirst = at
		if s.orders == 0 || !strings.HasPrefix(l.text, "2.") {
			s.orders |= monthFirst
		}
	}
	return s, s.orders != 0
}

var (
	spaces = strings.NewReplacer(", ", " ", " Z", "Z", " +", "+", " -", "-")
	joints = strings.NewReplacer("T", " ", "_", " ")
)

// words write one with words, in capitals, as one without weekday, with months in three letters
// between spaces.
var words = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile("[\u00a0\u202f ]+"), " "},
	{regexp.MustCompile(`^(?:(?:MON|TUES|WEDNES|THURS|FRI|SATUR|SUN)DAY|` +
		`MON|TUE|WED|THU|FRI|SAT|SUN)\b[,. ]*`), ""},
	{regexp.MustCompile(`[-/., ]*(?:(JAN)(?:UARY)?|(FEB)(?:RUARY)?|(MAR)(?:CH)?|(APR)(?:IL)?|(MAY)|` +
		`(JUN)E?|(JUL)Y?|(AUG)(?:UST)?|(SEP)(?:TEMBER)?|(OCT)(?:OBER)?|(NOV)(?:EMBER)?|` +
		`(DEC)(?:EMBER)?)[-/., ]*`), " $1$2$3$4$5$6$7$8$9$10$11$12 "},
	{regexp.MustCompile(`(\d)[T_](\d)`), "$1 $2"},
	{regexp.MustCompile(`(\d) ?([AP])\.?M\.?`), "$1${2}M"},
	{regexp.MustCompile(` ?(?:UTC|GMT)`), "Z"},
	{regexp.MustCompile(`^( ?\d+ [A-Z]{3} \d{4}):`), "$1 "},
}

// normalize writes dates of one form always in one way, so that few layouts read them.
func normalize(text string) string {
	text = strings.ToUpper(text)
	if strings.ContainsFunc(text, func(r rune) bool {
		return r >= 'A' && r <= 'Y' && r != 'T' || r > '~'
	}) {
		for _, w := range words {
			text = w.pattern.ReplaceAllString(text, w.with)
		}
		return strings.TrimSpace(spaces.Replace(text))
	}
	return strings.TrimSpace(spaces.Replace(joints.Replace(text)))
}
