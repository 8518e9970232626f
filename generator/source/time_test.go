package source

import (
	"errors"
	"testing"
	"time"

	"colorstream/generator/message"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	ok := func(text string, unit TimeUnit, want string) {
		t.Helper()
		got, err := parseTime(text, unit)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%s %s: %s, %v; want %s", text, unit, got.Format(time.RFC3339Nano), err, want)
		}
	}
	ok("1760000000", UnitAuto, "2025-10-09T08:53:20Z")
	ok("1760000000.5", UnitAuto, "2025-10-09T08:53:20.5Z")
	ok("1760000000.123456789999", UnitAuto, "2025-10-09T08:53:20.123456789Z")
	ok("1760000000123", UnitAuto, "2025-10-09T08:53:20.123Z")
	ok("1760000000123.25", UnitAuto, "2025-10-09T08:53:20.12325Z")
	ok("1760000000123456", UnitAuto, "2025-10-09T08:53:20.123456Z")
	ok("1760000000123456789", UnitAuto, "2025-10-09T08:53:20.123456789Z")
	ok("5", UnitMS, "1970-01-01T00:00:00.005Z")
	ok("5", UnitNS, "1970-01-01T00:00:00.000000005Z")
	ok("5000000", UnitUS, "1970-01-01T00:00:05Z")
	ok("-1.5", UnitS, "1969-12-31T23:59:58.5Z")
	ok("0", UnitAuto, "1970-01-01T00:00:00Z")
	ok("2025-10-09T08:53:20Z", UnitAuto, "2025-10-09T08:53:20Z")
	ok("2025-10-09T10:53:20.25+02:00", UnitS, "2025-10-09T08:53:20.25Z")
	ok("2025-10-09T08:53:20", UnitAuto, "2025-10-09T08:53:20Z")
	ok("2025-10-09 08:53:20.123", UnitAuto, "2025-10-09T08:53:20.123Z")
	ok("2025-10-09 10:53:20+02:00", UnitAuto, "2025-10-09T08:53:20Z")
	ok("2025-10-09", UnitAuto, "2025-10-09T00:00:00Z")

	refused := func(text string, unit TimeUnit, reason message.Reason) {
		t.Helper()
		got, err := parseTime(text, unit)
		if e, ok := errors.AsType[*message.Error](err); !ok || e.Reason != reason {
			t.Errorf("%s %s: %s, %v; want %s", text, unit, got, err, reason)
		}
	}
	refused("yesterday", UnitAuto, message.TimeInvalid)
	refused("09.10.2025", UnitAuto, message.TimeInvalid)
	refused("1.2.3", UnitAuto, message.TimeInvalid)
	refused(".", UnitAuto, message.TimeInvalid)
	refused("-", UnitAuto, message.TimeInvalid)
	refused("99999999999999999999", UnitAuto, message.TimeRange)
	refused("1760000000000", UnitS, message.TimeRange)
	refused("9999-01-01", UnitAuto, message.TimeRange)
	refused("0001-01-01T00:00:00Z", UnitAuto, message.TimeRange)
	refused("2025-13-01", UnitAuto, message.TimeInvalid)

	if got, err := parseTime("", UnitAuto); !got.IsZero() || err != nil {
		t.Errorf("no time: %s, %v", got, err)
	}
}
