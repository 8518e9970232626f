package source

import "testing"

const second = int64(1e9)

func TestMonotonic(t *testing.T) {
	m := monotonic{now: 1000 * second, mono: 50 * second}
	read := func(wall, mono, now, behind int64) {
		t.Helper()
		n, b := m.read(wall*second, mono*second)
		if n != now*second || b != behind*second {
			t.Errorf("read(%d, %d) = %d, %d; want %d, %d", wall, mono, n/second, b/second, now, behind)
		}
	}
	read(1000, 50, 1000, 0)
	read(1010, 60, 1010, 0)
	read(4610, 60, 4610, 0) // set forward, or asleep
	read(4611, 61, 4611, 0)
	read(1013, 63, 4612, 3599) // set back: half speed
	read(1023, 73, 4617, 3594)
	read(4617, 3667, 6414, 1797)
	read(8211, 7261, 8211, 0) // caught up
	read(8216, 7266, 8216, 0)

	m = monotonic{now: 9000 * second, mono: 7266 * second} // an earlier run had come further
	read(8218, 7268, 9001, 783)
}
