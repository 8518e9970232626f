package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// What stands here stands in static/format.js as well, so that a value does not change its face when the script
// takes over; a test in a browser compares the two.

// formatNumber writes a value in at most ten characters, always as many for values of like size, so that columns
// stay calm:
//
//	42.5       42.50
//	-1234.56   -1,234.6
//	1234567.8  1,234,568
//	123456789  1.235e8
//	0.00012    1.200e-4
func formatNumber(f float64) string {
	switch size := math.Abs(f); {
	case size == 0:
		return "0.00"
	case size < 0.005 || size >= 1e7-0.5:
		return exponent(f)
	case size < 1000-0.005:
		return fixed(f, 2)
	case size < 100000-0.05:
		return grouped(fixed(f, 1))
	}
	return grouped(fixed(f, 0))
}

// formatExtreme writes a minimum or a maximum, which is one of the values that were sent: a whole number stays one.
func formatExtreme(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e7 {
		return grouped(strconv.FormatFloat(f+0, 'f', 0, 64)) // no -0
	}
	return formatNumber(f)
}

// fixed rounds half away from zero, as the browsers' toFixed does; Go's own rounding goes to even.
func fixed(f float64, digits int) string {
	return strconv.FormatFloat(awayFromTie(f, strconv.FormatFloat(math.Abs(f), 'f', digits+30, 64)), 'f', digits, 64)
}

// exponent is the browsers' toExponential(3), without the plus sign.
func exponent(f float64) string {
	text := strconv.FormatFloat(awayFromTie(f, strings.Split(strconv.FormatFloat(math.Abs(f), 'e', 33, 64), "e")[0]), 'e', 3, 64)
	mantissa, power, _ := strings.Cut(text, "e")
	n, _ := strconv.Atoi(power)
	return mantissa + "e" + strconv.Itoa(n)
}

// awayFromTie moves f a little from zero if its digits, thirty more than are wanted, lie exactly in the middle.
func awayFromTie(f float64, digits string) float64 {
	if strings.HasSuffix(digits, "5"+strings.Repeat("0", 29)) {
		return math.Nextafter(f, math.Copysign(math.Inf(1), f))
	}
	return f
}

// grouped puts commas between the thousands.
func grouped(text string) string {
	sign, digits := "", text
	if strings.HasPrefix(text, "-") {
		sign, digits = "-", text[1:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

// formatAge writes a time span in its largest unit.
func formatAge(d time.Duration) string {
	seconds := int64(max(d, 0) / time.Second)
	switch {
	case seconds < 100:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 100*60:
		return fmt.Sprintf("%d min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%d h", seconds/3600)
	}
	return fmt.Sprintf("%d d", seconds/86400)
}
