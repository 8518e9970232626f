// Package live sends events to any number of browsers as they happen (server-sent events,
// https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// A [Feed] is a short list of the newest events. Each client has a place in it and reads on from there at its own
// pace; nobody waits for a client, and a client that comes back, with Last-Event-ID, reads on where it was, in the
// same way as one that was only slow. One that was away for longer than the list reaches back gets a snapshot
// instead. An event is encoded once, however many clients there are.
//
// What goes over the wire, besides what is published:
//
//	event: beat      {"now":"2026-01-02T03:04:05.678Z"}, every 10 s, so that both ends notice a dead connection
//	event: state     the newest state, on connecting and whenever it changes; it is not in the list
//	event: snapshot  all of what the published events have led to
//
// The package knows nothing of what is in the events.
package live

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxEvents and maxBytes bound the list: some twenty minutes of four colours.
	maxEvents = 256
	maxBytes  = 4 << 20
)

// A Feed is safe for concurrent use.
type Feed struct {
	epoch    string // begins every id, and tells another run's ids from this one's
	snapshot func() []byte

	mu      sync.Mutex
	first   uint64        // number of frames[0]
	frames  [][]byte      // the list
	bytes   int           // sum of their lengths
	state   []byte        // the newest state's frame
	version uint64        // counts the states
	kept    []byte        // the snapshot's frame for the present end of the list, nil if not yet made
	changed chan struct{} // closed, and replaced, when there is something new
}

// NewFeed makes a feed. The function returns the data of a snapshot, one line of JSON that holds everything
// published so far; it is called at most once for each published event.
func NewFeed(now time.Time, snapshot func() []byte) *Feed {
	return &Feed{
		epoch: strconv.FormatInt(now.UnixMilli(), 36), snapshot: snapshot,
		first: 1, changed: make(chan struct{}),
	}
}

// Publish appends an event. Its data is one line.
func (f *Feed) Publish(name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	frame := encode(f.id(f.end()), name, data)
	f.frames, f.bytes, f.kept = append(f.frames, frame), f.bytes+len(frame), nil
	for len(f.frames) > maxEvents || f.bytes > maxBytes && len(f.frames) > 1 {
		f.bytes -= len(f.frames[0])
		f.frames[0] = nil
		f.frames = f.frames[1:]
		f.first++
	}
	f.wake()
}

// SetState replaces the state. Its data is one line.
func (f *Feed) SetState(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = encode("", "state", data)
	f.version++
	f.wake()
}

func (f *Feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// end is the number of the next event.
func (f *Feed) end() uint64 { return f.first + uint64(len(f.frames)) }

func (f *Feed) id(number uint64) string { return f.epoch + "-" + strconv.FormatUint(number, 10) }

// A place is how far a client has read.
type place struct {
	next    uint64 // number of the next event; 0 asks for a snapshot
	version uint64 // of the state
}

// resume returns the place after the event of the given id.
func (f *Feed) resume(id string) place {
	epoch, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	f.mu.Lock()
	defer f.mu.Unlock()
	if epoch != f.epoch || err != nil || n >= f.end() {
		return place{}
	}
	return place{next: n + 1}
}

// read returns what there is from a place on, the place after it, and a channel that is closed when there is more.
func (f *Feed) read(at place) (frames [][]byte, after place, more <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.version != f.version {
		frames = append(frames, f.state)
	}
	if at.next < f.first {
		if f.kept == nil {
			f.kept = encode(f.id(f.end()-1), "snapshot", f.snapshot())
		}
		frames = append(frames, f.kept)
	} else {
		frames = append(frames, f.frames[at.next-f.first:]...)
	}
	return frames, place{f.end(), f.version}, f.changed
}

// encode writes one event.
func encode(id, name string, data []byte) []byte {
	var b bytes.Buffer
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(bytes.TrimSuffix(data, []byte("\n")))
	b.WriteString("\n\n")
	return b.Bytes()
}
