package process

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

const (
	tailLines    = 20
	tailLineSize = 1 << 10
)

// Tail is a writer that remembers the last 20 lines, each up to 1 KiB. The
// zero value is ready for use, also from several goroutines.
type Tail struct {
	mu    sync.Mutex
	lines []string
	rest  []byte // a last line that has no end yet
}

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		rest = after
		room := max(tailLineSize-len(t.rest), 0)
		t.rest = append(t.rest, line[:min(len(line), room)]...)
		if !whole {
			break
		}
		if text := strings.TrimSpace(string(t.rest)); text != "" {
			t.lines = append(t.lines, text)
			t.lines = t.lines[max(len(t.lines)-tailLines, 0):]
		}
		t.rest = t.rest[:0]
	}
	return len(p), nil
}

// Lines returns the remembered lines, oldest first, without empty ones.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := slices.Clone(t.lines)
	if text := strings.TrimSpace(string(t.rest)); text != "" {
		lines = append(lines, text)
	}
	return lines
}
