package source

import (
	"errors"
	"strings"
	"testing"
	"time"

	"colorstream/generator/message"
)

// column gives what a column of times is read as: RFC 3339, or the error.
func column(o Options, texts ...string) (read []string) {
	t := newTimes(o)
	for i, text := range texts {
		if err := t.observe(text, i+1); err != nil {
			return []string{err.Error()}
		}
	}
	if err := t.settle(); err != nil {
		return []string{err.Error()}
	}
	for i, text := range texts {
		at, err := t.parse(text, i+1)
		switch {
		case err != nil:
			read = append(read, err.Error())
		case at.IsZero():
			read = append(read, "none")
		default:
			read = append(read, at.Format(time.RFC3339Nano))
		}
	}
	return read
}

func TestTimes(t *testing.T) {
	t.Parallel()
	ok := func(o Options, pairs ...string) {
		t.Helper()
		var texts, want []string
		for i := 0; i < len(pairs); i += 2 {
			texts, want = append(texts, pairs[i]), append(want, pairs[i+1])
		}
		if got := column(o, texts...); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q: %q, want %q", texts, got, want)
		}
	}
	auto := Options{}
	ok(auto, "1760000000", "2025-10-09T08:53:20Z",
		"", "none", "1760000000.5", "2025-10-09T08:53:20.5Z",
		"1760000000.123456789999", "2025-10-09T08:53:20.123456789Z", "1760000001,25",
		"2025-10-09T08:53:21.25Z", "1.76e9", "2025-10-09T08:53:20Z")
	ok(auto, "1760000000123", "2025-10-09T08:53:20.123Z",
		"1760000000123.25", "2025-10-09T08:53:20.12325Z")
	ok(auto, "1760000000123456", "2025-10-09T08:53:20.123456Z")
	ok(auto, "1760000000123456789", "2025-10-09T08:53:20.123456789Z")
	ok(auto, "100000000", "1973-03-03T09:46:40Z")
	ok(auto, "170001010000", "1975-05-22T14:30:10Z") // milliseconds: nobody means minutes of 1700
	ok(auto, "1999", "1999-01-01T00:00:00Z", "2000", "2000-01-01T00:00:00Z")
	ok(auto, "20250204", "2025-02-04T00:00:00Z")
	ok(auto, "202502041015", "2025-02-04T10:15:00Z")
	ok(auto, "20250204101500", "2025-02-04T10:15:00Z")
	ok(auto, "20250204101500250", "2025-02-04T10:15:00.25Z")
	ok(auto, "2025-02-11T10:00:00Z", "2025-02-11T10:00:00Z", "1739268002000", "2025-02-11T10:00:02Z")
	// The 13th tells.
	ok(auto, "02/13/2025", "2025-02-13T00:00:00Z", "03/04/2025", "2025-03-04T00:00:00Z")
	ok(auto, "03/04/2025", "2025-04-03T00:00:00Z", "13/04/2025", "2025-04-13T00:00:00Z")
	ok(auto, "03.04.2025", "2025-04-03T00:00:00Z") // nobody writes a month first before a point
	ok(Options{TimeFormat: "day-first"}, "03/04/2025 10:00", "2025-04-03T10:00:00Z")
	ok(Options{TimeFormat: "month-first"}, "03/04/2025 10:00",
		"2025-03-04T10:00:00Z", "03.04.25", "2025-03-04T00:00:00Z")
	ok(Options{TimeFormat: "s"}, "5", "1970-01-01T00:00:05Z",
		"-1.5", "1969-12-31T23:59:58.5Z", "0", "1970-01-01T00:00:00Z",
		"20250204", "1970-08-23T09:03:24Z")
	ok(Options{TimeFormat: "ms"}, "5", "1970-01-01T00:00:00.005Z")
	ok(Options{TimeFormat: "ns"}, "5", "1970-01-01T00:00:00.000000005Z")
	berlin := Options{Zone: "Europe/Berlin"}
	ok(berlin, "2025-02-07 10:00:00", "2025-02-07T09:00:00Z",
		"2025-07-07 10:00:00", "2025-07-07T08:00:00Z",
		"2025-02-07T10:00:00Z", "2025-02-07T10:00:00Z", "1760000000", "2025-10-09T08:53:20Z")
	ok(berlin, "20250207", "2025-02-06T23:00:00Z")
	ok(Options{Zone: "-03:30"}, "2025-02-07 10:00:00", "2025-02-07T13:30:00Z")
	ok(Options{TimeFormat: "%d.%m.%Y %H:%M:%S.%f", Zone: "Europe/Berlin"},
		"7.2.2025 10:00:00.25", "2025-02-07T09:00:00.25Z")
	ok(Options{TimeFormat: "%Y%m%d%H"}, "2025020410", "2025-02-04T10:00:00Z")
	ok(Options{TimeFormat: "%d%m%y"}, "040225", "2025-02-04T00:00:00Z")
	ok(Options{TimeFormat: "%Y-%m-%dT%H:%M%z"},
		"2025-02-04T10:00+0100", "2025-02-04T09:00:00Z", "2025-02-04T10:00Z", "2025-02-04T10:00:00Z",
		"2025-02-04T10:00+01:00", "2025-02-04T09:00:00Z")
	ok(Options{TimeFormat: "%I:%M %p, %e %b %Y"}, "3:04 PM,  4 Feb 2025", "2025-02-04T15:04:00Z")
	ok(Options{TimeFormat: "02/01/2006 15h04"}, "04/02/2025 10h15", "2025-02-04T10:15:00Z")
	ok(Options{TimeFormat: "200601"}, "202502", "2025-02-01T00:00:00Z")
}

// What can be read in two ways, or in none, is said with the line and the setting.
func TestTimesRejected(t *testing.T) {
	t.Parallel()
	wrong := func(o Options, words string, texts ...string) {
		t.Helper()
		if got := strings.Join(column(o, texts...), "|"); !strings.Contains(got, words) {
			t.Errorf("%q: %s, want %q", texts, got, words)
		}
	}
	auto := Options{}
	wrong(auto, `line 2: time "01/03/2024" is 2024-03-01T00:00:00Z (day first) or `+
		`2024-01-03T00:00:00Z (month first): set GENERATOR_INPUT_TIME_FORMAT to `+
		`day-first or month-first`, "", "01/03/2024")
	wrong(auto, `line 1: time "2025020410" is 2025-02-04T10:00:00Z (hours (YYYYMMDDhh)) or `+
		`2034-03-03T17:40:10Z (seconds): set GENERATOR_INPUT_TIME_FORMAT to %Y%m%d%H or s`, "2025020410")
	wrong(auto, `line 2: time "02/13/2025" (month first) is not of one format with "13/02/2025" `+
		`(day first) of line 1`,
		"13/02/2025", "02/13/2025")
	wrong(auto, `time "5" is a number that does not tell its unit`, "2025-02-11T10:00:00Z", "5")
	wrong(auto, `line 2: time "1760000000000" (milliseconds) is not of one format with "1760000000" `+
		`(seconds) of line 1`, "1760000000", "1760000000000")
	wrong(auto, `line 1: time "5" is not in a format that tells itself: set `+
		`GENERATOR_INPUT_TIME_FORMAT`, "5", "6")
	wrong(auto, `line 1: time "soon" is not in a format`, "soon")
	wrong(auto, `time "5" is none of the seconds that the other times are`, "1760000000", "5")
	wrong(auto, `time "soon" is no time such as`, "1760000000", "soon")
	wrong(auto, "outside the years 1678 to 2262", "9999-01-01", "2025-01-01")
	wrong(Options{TimeFormat: "s"}, "is too large", "1760000000000")
	wrong(Options{TimeFormat: "s"}, `1970-01-01T00:00:05Z|time "soon" is no time such as`, "5", "soon")
	wrong(Options{TimeFormat: "s"}, "is too large", "99999999999999999999")
	wrong(Options{TimeFormat: "s"}, "is too large", "1e300")
	wrong(Options{TimeFormat: "day-first"}, "day and month are in the other order", "01/13/2024")
	wrong(Options{TimeFormat: "%d.%m.%Y"}, `time "2025-01-01" does not have the format "2.1.2006"`,
		"2025-01-01")
	for format, words := range map[TimeFormat]string{
		"%H:%M": "is no time format", "15:04": "is no time format", "YYYY-MM-DD": "is no time format",
		"%Y %Z": "has %Z", "%Y%": "ends in a %", "%Y 5": "between the directives",
	} {
		if err := format.UnmarshalText([]byte(format)); err == nil ||
			!strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", format, err, words)
		}
	}
}

// After the sample the column's format holds.
func TestTimesOfAPipe(t *testing.T) {
	t.Parallel()
	times := newTimes(Options{})
	if _, err := times.parse("1760000000", 1); err != nil {
		t.Error(err)
	}
	_, err := times.parse("1760000000000", 2)
	if e, ok := errors.AsType[*message.Error](err); !ok || e.Reason != message.TimeInvalid {
		t.Errorf("another unit: %v", err)
	}
	if _, err := times.parse("01/02/2025", 3); err == nil ||
		!strings.Contains(err.Error(), "day-first or month-first") {
		t.Errorf("ambiguous: %v", err)
	}
}

func TestScanDate(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 2, 7, 15, 4, 5, 0, time.FixedZone("", 3600))
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05 -07:00", "2006-01-02 15:04:05Z07",
		time.RFC1123Z,
		"2006/01/02 15:04:05 -0700", "02/Jan/2006:15:04:05 -0700", "January 2, 2006, 3:04:05 PM -0700",
		"2 Jan 2006 15:04:05 -0700",
		"20060102T150405-0700", "Monday, 02-Jan-06 15:04:05 -0700", time.RubyDate,
		"2006-Jan-02 15:04:05,000 -0700",
		"Jan. 2, 2006 3:04:05\u202fpm -0700", "2006.01.02 15:04:05 -0700",
	} {
		text := at.Format(layout)
		if got, _, _ := scanDate(text, dayFirst, time.UTC, ""); !got.Equal(at) {
			t.Errorf("%s: %s", text, got)
		}
	}
	local := time.Date(2025, 2, 7, 15, 4, 0, 0, time.UTC)
	for _, layout := range []string{
		"2006-01-02T15:04", "2006-01-02 15:04:05.000", "02.01.2006 15:04", "2/1/06 15:04",
		"02/01/2006, 03:04 p.m.", time.ANSIC, time.UnixDate,
		"20060102 1504", "02Jan2006 15:04", "2006-01-02 15:04:05 UTC", "2-1-2006 15:04",
	} {
		text := local.Format(layout)
		if layout == "02/01/2006, 03:04 p.m." {
			text = "07/02/2025, 03:04 p.m."
		}
		if got, _, _ := scanDate(text, dayFirst, time.UTC, ""); !got.Equal(local) {
			t.Errorf("%s: %s", text, got)
		}
	}
	for _, text := range []string{
		"", "2025", "2025-13-01", "2025-02-29", "2025-02-07T24:00", "2025-02-07T10:60", "2025-02-07 10",
		"2025-02-07T10:00:00+25:00",
		"2025-02-07 10:00 CET", "yesterday", "7 Febuary 2025", "32/01/2025", "13/13/2025", "0/1/2025",
		"2025-02-07Z", "1.2.3", "2025-02-07 13:00 PM",
		"2025-02-07 10:00:00 2025", "10:00", "Feb 7", "7-2-125",
	} {
		for _, order := range []reading{dayFirst, monthFirst} {
			if got, form, _ := scanDate(text, order, time.UTC, ""); form != "" {
				t.Errorf("%q is taken for %s", text, got)
			}
		}
	}
}

// scanDate agrees with time.Parse, and fails on nothing.
func FuzzTimes(f *testing.F) {
	for _, text := range []string{
		"", "1", "-1.5", "1760000000123", "2025-10-09T08:53:20Z", "2025-10-09 08:53:20", "+.", "9e9",
		"Fri Feb  7 10:00:00 2025", "7/2/25 3:04 PM",
		"20250207T100000.5+0100", "\u202f", "1.2.2025",
	} {
		f.Add(text)
	}
	formats := []TimeFormat{"", "s", "ns", "day-first", "%Y-%m-%d %H:%M:%S", "2006"}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range formats {
			_ = column(Options{TimeFormat: format}, text, text)
		}
		for _, layout := range []string{
			time.RFC3339, "2006-01-02 15:04:05", "2006/01/02 15:04",
			"20060102T150405Z0700", time.RFC1123Z,
		} {
			want, err := time.Parse(layout, text)
			if err != nil || strings.Count(text, ":") == 2 && len(text) > 40 || want.Year() < 1000 {
				continue
			}
			if got, form, _ := scanDate(text, dayFirst, time.UTC, ""); form != "" && !got.Equal(want) {
				t.Fatalf("%q: %s, want %s", text, got, want)
			}
		}
	})
}

func FuzzTimeFormat(f *testing.F) {
	for _, text := range []string{
		"", "s", "%Y", "%d.%m.%y", "%Y%m%d%z", "2006-01-02", "%", "%Z",
		"Mon %Y",
	} {
		f.Add(text)
	}
	at := time.Date(2025, 2, 7, 15, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		times := newTimes(Options{TimeFormat: TimeFormat(text)})
		if times.layouts != nil {
			_, _ = times.parse(at.Format(times.layouts[0]), 1)
		}
	})
}
