package source

import "testing"

const second = int64(1e9)

func TestClock(t *testing.T) {
	c := clock{log: testLog(t), last: 1000 * second, mono: 50 * second}
	read := func(wall, mono, now int64) {
		t.Helper()
		if got := c.read(wall*second, mono*second); got != now*second {
			t.Errorf("read(%d, %d) = %d; want %d", wall, mono, got/second, now)
		}
	}
	read(1000, 50, 1000)
	read(1010, 60, 1010)
	read(4610, 60, 4610) // set forward, or asleep
	read(4611, 61, 4611)
	read(1013, 63, 4612) // set back: half speed
	read(1023, 73, 4617)
	read(4617, 3667, 6414)
	read(8211, 7261, 8211) // caught up
	read(8216, 7266, 8216)

	c.last = 9000 * second // an earlier run had come further
	read(8218, 7268, 9001)
}
