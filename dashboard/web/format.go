package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"colorstream/dashboard/chart"
)

// formatNumber writes a value in at most ten characters, always as many for values of like size, so
// that columns stay calm:
//
//	42.5       42.50
//	-1234.56   -1,234.6
//	1234567.8  1,234,568
//	123456789  1.235e8
//	0.00012    1.200e-4
//	NaN        –
func formatNumber(f float64) string {
	switch size := math.Abs(f); {
	case math.IsNaN(f):
		return "–"
	case size == 0:
		return "0.00"
	case size < 0.005 || size >= 1e7-0.5:
		mantissa, power, _ := strings.Cut(strconv.FormatFloat(f, 'e', 3, 64), "e")
		n, _ := strconv.Atoi(power)
		return mantissa + "e" + strconv.Itoa(n)
	case size < 1000-0.005:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case size < 100000-0.05:
		return chart.Group(strconv.FormatFloat(f, 'f', 1, 64))
	}
	return chart.Group(strconv.FormatFloat(f, 'f', 0, 64))
}

// formatExtreme writes a minimum or a maximum, which is one of the values that were sent: a whole
// number stays one.
func formatExtreme(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e7 {
		return chart.Group(strconv.FormatFloat(f+0, 'f', 0, 64)) // no -0
	}
	return formatNumber(f)
}

func formatCount(n int64) string { return chart.Group(strconv.FormatInt(n, 10)) }

// plural counts things.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return formatCount(int64(n)) + " " + thing
}

// formatSpan writes a length of time in its largest unit.
func formatSpan(d time.Duration) string {
	seconds := int64(max(d, 0) / time.Second)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(d, 0).Milliseconds())
	case seconds < 100:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 100*60:
		return fmt.Sprintf("%d min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%d h", seconds/3600)
	}
	return fmt.Sprintf("%d d", seconds/86400)
}
