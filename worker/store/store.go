package store

import (
	"context"
	"errors"
	"time"
)

// A Store is what both implementations promise; the conformance suite holds them to it. One
// goroutine commits, one sends (Oldest, Remove) for each queue, anybody reads Stats.
//
// The worker declares the part of it that it uses; this one is for the suite and for the reader.
type Store interface {
	// Load returns what the last commit saved, the zero Saved before the first.
	Load(context.Context) (Saved, error)

	// Commit saves all of c or nothing. After an error it may have been saved all the same, if its
	// answer was lost: a Bolt's caller commits again with everything that c held and what came
	// since, a Redis' caller acquires and loads again.
	Commit(ctx context.Context, c Commit) error

	// Oldest returns the queue's oldest batches, together at most some MiB, and nil if none waits.
	// They stay until they are removed.
	Oldest(context.Context, Queue) ([]Batch, error)

	// Remove removes batches that Oldest returned. Letters, if any, are a batch for the Letters
	// queue, which is saved before the batches are removed. It may be repeated after an error.
	Remove(ctx context.Context, q Queue, ids []string, letters []byte) error

	// More is signalled when the queue may have something new.
	More(Queue) <-chan struct{}

	Stats() Stats
}

// A Commit is saved whole or not at all.
type Commit struct {
	State    []byte  // the window set's state, opaque
	Position string  // the stream's entry after which reading resumes; empty for Pub/Sub
	Parts    []Part  // what open windows gained since the last commit, one each; Bolt only
	Whole    bool    // Parts is all that open windows hold: it replaces what is saved
	Open     []int64 // the starts of all open windows; parts of others are dropped
	Lines    []byte  // line protocol of written windows, may be empty
	Letters  []byte  // dead letters, each ended by a line break, may be empty
}

// A Part is what an open window gained between two commits. A window's parts stay as long as
// commits call it open.
type Part struct {
	Window int64 // the window's start
	Data   []byte
}

// Saved is what Load returns.
type Saved struct {
	State    []byte
	Position string
	Parts    []Part // by window, then in the order of their commits
}

// A Queue holds batches until a sender removes them.
type Queue string

// The queues.
const (
	Lines   Queue = "lines"
	Letters Queue = "letters"
)

// A Batch is what one commit added to a queue.
type Batch struct {
	ID   string // for Remove, opaque
	Data []byte
	At   time.Time // of its commit
}

// Stats is what a store holds, and what it counted since it was opened.
type Stats struct {
	Bytes          int64     // in both queues
	Batches        int       // in the Lines queue
	Oldest         time.Time // when the oldest batch of lines was committed; zero if none waits
	DroppedPoints  uint64    // dropped from a full Lines queue, or lost with a damaged file
	DroppedLetters uint64    // the same for the Letters queue
	Damaged        uint64    // files found damaged, removed or replaced; Bolt only
}

// Errors that a caller acts on; all others are temporary.
var (
	// ErrFenced: another worker owns the partition, or Redis holds another state than this worker
	// committed, as after a failover. What is in memory is void; acquire and load again.
	ErrFenced = errors.New("fenced: the partition's state in Redis is not this worker's any more")

	// ErrLocked: another worker uses the folder.
	ErrLocked = errors.New("another worker uses the folder")

	// ErrFresh: the file was damaged, and state and parts in it are lost. Nothing was saved; the
	// next commit begins anew, so its parts should be all that the open windows hold.
	ErrFresh = errors.New("the file was damaged: the state begins anew")
)

// oldestBytes is how much Oldest returns at most, but for a single larger batch.
const oldestBytes = 4 << 20

// signals are the channels that More returns.
type signals map[Queue]chan struct{}

func newSignals() signals {
	return signals{Lines: make(chan struct{}, 1), Letters: make(chan struct{}, 1)}
}

func (s signals) send(q Queue) {
	select {
	case s[q] <- struct{}{}:
	default: // it is signalled already
	}
}

// More is signalled when the queue may have something new.
func (s signals) More(q Queue) <-chan struct{} { return s[q] }
