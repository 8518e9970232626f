package deadletter

// What a collector holds at most.
const (
	maxLetters = 10_000
	maxBytes   = 4 << 20
)

// An Observer counts letters. It must not block, and several goroutines may call it.
type Observer interface {
	// LettersWritten counts letters that are in Redis.
	LettersWritten(n int)
	// LettersDropped counts letters that never will be.
	LettersDropped(n int)
}

// A Collector gathers the letters between two commits: at most 10 000, and about 4 MiB. Further
// ones are dropped and counted. It is not safe for concurrent use.
type Collector struct {
	observer Observer
	data     []byte
	letters  int
}

// NewCollector returns an empty Collector.
func NewCollector(observer Observer) *Collector { return &Collector{observer: observer} }

// Add encodes a letter and keeps no reference to it.
func (c *Collector) Add(l Letter) {
	if c.letters == maxLetters || len(c.data) >= maxBytes {
		c.observer.LettersDropped(1)
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
