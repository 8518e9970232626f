package proxy

import "sync"

// once tells what is seen for the first time. It remembers a bounded number of texts; beyond that nothing is new,
// so that whoever tries many paths does not fill the log.
type once struct {
	mu   sync.Mutex
	most int
	seen map[string]struct{}
}

func newOnce(most int) *once { return &once{most: most, seen: make(map[string]struct{})} }

func (o *once) first(text string) bool {
	text = clip(text, 256)
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.seen[text]; ok || len(o.seen) >= o.most {
		return false
	}
	o.seen[text] = struct{}{}
	return true
}
