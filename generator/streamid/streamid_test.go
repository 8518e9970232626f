package streamid

import "testing"

func TestCompare(t *testing.T) {
	for _, c := range [][2]string{{"9-1", "10-0"}, {"10-1", "10-2"}, {"10-9", "10-10"}, {"", "0-1"}} {
		if Compare(c[0], c[1]) != -1 || Compare(c[1], c[0]) != 1 || Compare(c[0], c[0]) != 0 {
			t.Errorf("%s is not before %s", c[0], c[1])
		}
	}
}
