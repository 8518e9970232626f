package source

import (
	"regexp"
	"strings"
	"time"
)

// dateLayouts are all forms of a date, with or without a time of day, that normalize has made
// plain, as layouts of package time. A day comes before a month that is a number.
var dateLayouts = func() (list []string) {
	clocks := []string{""}
	for _, clock := range []string{"15:04:05", "15:04", "3:04:05PM", "3:04PM", "150405", "1504"} {
		clocks = append(clocks, " "+clock, " "+clock+"Z07:00", " "+clock+"Z0700", " "+clock+"Z07")
	}
	for _, clock := range clocks {
		for _, day := range []string{
			"2006-1-2", "2006/1/2", "2006.1.2", "20060102",
			"2 Jan 2006", "Jan 2 2006", "2006 Jan 2", "2 Jan 06",
			"2/1/2006", "2/1/06", "2.1.2006", "2.1.06", "2-1-2006", "2-1-06",
		} {
			list = append(list, day+clock)
		}
		list = append(list, "Jan 2"+clock+" 2006")
	}
	return append(list, "2006-1", "2006/1")
}()

// scanDate reads a date as databases, spreadsheets, loggers and programming languages write them:
//
//	2025-02-07T10:00:00.25Z   2025/02/07 10:00+01   20250207T100000   2025-02
//	07.02.2025 10:00          2/7/25 3:04 PM        7 Feb 2025        Feb 7, 2025
//	Fri, 07 Feb 2025 10:00:00 GMT   Fri Feb  7 10:00:00 2025   07/Feb/2025:10:00:00 +0100
//
// Without a zone of its own it is in the given one. Where day and month are both numbers before the
// year, they are read in the given order, and mark is what stands between them. The form that is
// tried before all others is that of the date before; "" for none. A text that is no date has no
// form.
func scanDate(
	text string, order reading, zone *time.Location, before string,
) (at time.Time, form, mark string) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, time.RFC3339, ""
	}
	if len(text) > 64 {
		return at, "", ""
	}
	text = normalize(text)
	swapped, mark := swap(text)
	if order == monthFirst {
		text = swapped
	}
	if at, err := time.ParseInLocation(before, text, zone); err == nil {
		return at, before, mark
	}
	for _, form := range dateLayouts {
		if at, err := time.ParseInLocation(form, text, zone); err == nil {
			return at, form, mark
		}
	}
	return at, "", mark
}

// swap changes day and month of a date that has two numbers before the year, and returns what
// stands between them. Other dates remain as they are.
func swap(date string) (swapped, mark string) {
	first := strings.IndexAny(date, "/.-")
	if first < 1 || first > 2 {
		return date, ""
	}
	mark, rest := date[first:first+1], date[first+1:]
	second := strings.Index(rest, mark)
	if second < 1 || second > 2 {
		return date, ""
	}
	return rest[:second] + mark + date[:first] + rest[second:], mark
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
