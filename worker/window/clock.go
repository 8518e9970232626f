package window

// A Clock makes of a wall clock, which may be set, one that never goes backward, so that a closed window never
// sees a message again. It is the wall clock, but where that was set back, it goes on at half speed until the
// wall clock has caught up: windows stay regular, and an hour is made good in two.
//
// Its caller gives both readings of the same moment: the wall clock, and a monotonic one that is never set.
// [time.Now] has both. All are nanoseconds.
type Clock struct {
	now, mono int64
	started   bool
}

// maxSkip is by how much the wall clock may run ahead of the monotonic one between two readings without being
// called a skip.
const maxSkip = int64(1e9)

// Start sets the clock to an instant before which it must not go: what an earlier run had reached.
func (c *Clock) Start(at, mono int64) { c.now, c.mono, c.started = at, mono, true }

// Read gives the time. skipped is how far the wall clock went forward without the monotonic one, if by more than
// a second: it was set, or the machine slept, and what happened meanwhile was not heard. behind is how far the
// wall clock is behind, after it was set back.
func (c *Clock) Read(wall, mono int64) (now, skipped, behind int64) {
	if !c.started {
		c.Start(wall, mono)
		return wall, 0, 0
	}
	elapsed := max(mono-c.mono, 0)
	if skip := wall - c.now - elapsed; skip > maxSkip {
		skipped = skip
	}
	c.mono = mono
	c.now = max(wall, c.now+elapsed/2)
	return c.now, skipped, c.now - wall
}
