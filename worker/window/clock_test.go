package window

import "testing"

func TestClock(t *testing.T) {
	var c Clock
	read := func(wall, mono, now, skipped, behind int64) {
		t.Helper()
		n, s, b := c.Read(wall*second, mono*second)
		if n != now*second || s != skipped*second || b != behind*second {
			t.Errorf("Read(%d, %d) = %d, %d, %d; want %d, %d, %d", wall, mono, n/second, s/second, b/second, now, skipped, behind)
		}
	}
	read(1000, 50, 1000, 0, 0)
	read(1010, 60, 1010, 0, 0)
	read(4610, 60, 4610, 3600, 0) // set forward, or asleep
	read(4611, 61, 4611, 0, 0)
	read(1013, 63, 4612, 0, 3599) // set back: half speed
	read(1023, 73, 4617, 0, 3594)
	read(4617, 3667, 6414, 0, 1797)
	read(8211, 7261, 8211, 0, 0) // caught up
	read(8216, 7266, 8216, 0, 0)

	c.Start(9000*second, 7266*second) // an earlier run had come further
	read(8218, 7268, 9001, 0, 783)
}
