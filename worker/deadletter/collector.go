package deadletter

// What a collector holds at most.
const (
	maxLetters = 10_000
	maxBytes   = 4 << 20
)

// A Collector gathers the letters between two commits: at most 10 000, and about 4 MiB. Further
// ones are dropped and counted. It is not safe for concurrent use.
type Collector struct {
	dropped func(letters int)
	data    []byte
	letters int
}

// NewCollector returns an empty Collector, which tells dropped of letters that it does not take.
func NewCollector(dropped func(letters int)) *Collector { return &Collector{dropped: dropped} }

// Add encodes a letter and keeps no reference to it.
func (c *Collector) Add(l Letter) {
	if c.letters == maxLetters || len(c.data) >= maxBytes {
		c.dropped(1)
		return
	}
	c.data = l.Append(c.data)
	c.letters++
}

// Take returns the letters since the last call, encoded; nil if there are none.
func (c *Collector) Take() []byte {
	data := c.data
	c.data, c.letters = nil, 0
	return data
}
