// Package live sends events to any number of browsers as they happen (server-sent events,
// https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// A [Feed] is a short list of the newest changes. Each client has a cursor in it and reads on from
// there at its own pace; nobody waits for a client. One that is new, or was slower than the list is
// long, gets the whole instead. An event is encoded and compressed once, however many clients there
// are.
package live

import (
	"bytes"
	"compress/flate"
	"sync"
)

// maxChanges bounds the list.
const maxChanges = 8

// A Frame is one event as it is sent.
type Frame struct {
	text   []byte
	once   sync.Once
	packed []byte
}

// NewFrame makes an event. Its data is one line.
func NewFrame(name string, data []byte) *Frame {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(bytes.TrimSuffix(data, []byte("\n")))
	b.WriteString("\n\n")
	return &Frame{text: b.Bytes()}
}

var packers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil { // the level is valid
		panic(err)
	}
	return w
}}

// compressed returns the frame as DEFLATE blocks that refer to nothing before them and end on a
// byte: put one behind another they are one stream.
func (f *Frame) compressed() []byte {
	f.once.Do(func() {
		var b bytes.Buffer
		w := packers.Get().(*flate.Writer)
		defer packers.Put(w)
		w.Reset(&b)
		_, _ = w.Write(f.text) // a buffer takes all
		_ = w.Flush()
		f.packed = b.Bytes()
	})
	return f.packed
}

// A Feed is safe for concurrent use.
type Feed struct {
	mu      sync.Mutex
	whole   func() *Frame
	first   uint64 // number of changes[0]
	changes []*Frame
	more    chan struct{} // closed, and replaced, when there is something new
}

// NewFeed makes a feed. whole returns what a new client gets; it is asked for each.
func NewFeed(whole func() *Frame) *Feed {
	return &Feed{whole: whole, first: 1, more: make(chan struct{})}
}

// Publish appends a change; whole is from now on what a new client gets.
func (f *Feed) Publish(change *Frame, whole func() *Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.whole = whole
	f.changes = append(f.changes, change)
	if drop := len(f.changes) - maxChanges; drop > 0 {
		f.changes = append([]*Frame(nil), f.changes[drop:]...)
		f.first += uint64(drop)
	}
	close(f.more)
	f.more = make(chan struct{})
}

// read returns what there is from a cursor on, the cursor after it, and a channel that is closed
// when there is more. The cursor of a new client is 0.
func (f *Feed) read(cursor uint64) (frames []*Frame, after uint64, more <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if cursor < f.first {
		frames = []*Frame{f.whole()}
	} else {
		frames = append(frames, f.changes[cursor-f.first:]...)
	}
	return frames, f.first + uint64(len(f.changes)), f.more
}
