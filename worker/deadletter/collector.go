package deadletter

// maxBytes is about what a collector holds at most.
const maxBytes = 4 << 20

// A Collector gathers the letters between two commits: about 4 MiB of them. Further ones are
// dropped and counted. It is not safe for concurrent use.
type Collector struct {
	dropped func(letters int)
	data    []byte
}

// NewCollector returns an empty Collector, which tells dropped of letters that it does not take.
func NewCollector(dropped func(letters int)) *Collector { return &Collector{dropped: dropped} }

// Add encodes a letter and keeps no reference to it.
func (c *Collector) Add(l Letter) {
	if len(c.data) >= maxBytes {
		c.dropped(1)
		return
	}
	c.data = l.Append(c.data)
}

// Take returns the letters since the last call, encoded; nil if there are none.
func (c *Collector) Take() []byte {
	data := c.data
	c.data = nil
	return data
}
