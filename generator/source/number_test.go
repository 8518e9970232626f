package source

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestDecimals(t *testing.T) {
	t.Parallel()
	ok := func(mark Decimal, texts string, want ...float64) {
		t.Helper()
		d := decimals{mark: mark}
		list := strings.Split(texts, " ")
		for i, text := range list {
			d.observe(text, i+1)
		}
		if err := d.settle(); err != nil {
			t.Errorf("%s: %v", texts, err)
		}
		for i, text := range list {
			if got, err := d.parse(text, i+1); err != nil || got != want[i] {
				t.Errorf("%s: %s is %g, %v", texts, text, got, err)
			}
		}
	}
	ok("", "1 -2.5 +3e2 .5 5.", 1, -2.5, 300, .5, 5)
	ok("", "1.234 2", 1.234, 2)
	ok("", "1,5 1.234,5 1.234", 1.5, 1234.5, 1234)
	ok("", "1,5 1,234", 1.5, 1.234)
	ok("", "0.5 1,234 1,234,567.5", .5, 1234, 1234567.5)
	ok("", "1,234.5", 1234.5)
	ok("", "1'234.5", 1234.5)
	ok("", "1\u202f234,5", 1234.5)
	ok(Comma, "1,234 1.234", 1.234, 1234)
	ok(Point, "1,234 1.234", 1234, 1.234)

	wrong := func(words string, texts ...string) {
		t.Helper()
		var d decimals
		for i, text := range texts {
			d.observe(text, i+1)
		}
		err := d.settle()
		for i, text := range texts {
			if err == nil {
				_, err = d.parse(text, i+1)
			}
		}
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %q", texts, err, words)
		}
	}
	wrong(`line 2: value "1,234" is 1.234 or 1234: set GENERATOR_INPUT_DECIMAL to point or comma`,
		"5", "1,234")
	wrong(`value "1,5" is not a number (decimals follow a point in this input: `+
		`GENERATOR_INPUT_DECIMAL)`, "1,5", "2.5", "3,5")
	for _, text := range []string{
		"1,2,3", "--1", "1..5", "1,23,456", "1,,234.5", ",123,456.5",
		"1.5.6", "1e", "e5", "1e5.5", "NaN", "Inf", "0x1", "1_000", "5 %",
	} {
		wrong("is not a number", text)
	}
	wrong("does not fit a double", "1e999")
	wrong("there is no value", "")
}

func FuzzDecimals(f *testing.F) {
	for _, text := range []string{"1", "-1.5", "1,5", "1.234,5", "1e5", "1 234", "'", "1,234"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, mark := range []Decimal{"", Point, Comma} {
			d := decimals{mark: mark}
			got, err := d.parse(text, 1)
			if err == nil && (math.IsNaN(got) || math.IsInf(got, 0)) {
				t.Fatalf("%q is %g", text, got)
			}
			want, strict := strconv.ParseFloat(text, 64)
			if mark == Point && err == nil && strict == nil && got != want {
				t.Fatalf("%q is %g, want %g", text, got, want)
			}
		}
	})
}
