// Package streamid reads the ids of the entries of Redis streams: <milliseconds>-<number>.
package streamid

import (
	"cmp"
	"strconv"
	"strings"
)

// Parse returns the parts of an id; "" is 0-0.
func Parse(id string) (ms, number uint64) {
	first, second, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(first, 10, 64)
	number, _ = strconv.ParseUint(second, 10, 64)
	return ms, number
}

// Compare compares two ids.
func Compare(a, b string) int {
	ams, an := Parse(a)
	bms, bn := Parse(b)
	return cmp.Or(cmp.Compare(ams, bms), cmp.Compare(an, bn))
}
