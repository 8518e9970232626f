// Package source brings messages from Redis: over Pub/Sub, or from a stream.
//
// A source is one goroutine that receives, and hands on by calls what it received, in order:
// messages, times and gaps. Time comes with the messages, never from a clock that runs beside them:
//
//   - A stream's time is the id of its entries.
//   - Pub/Sub's time is the worker's own ping. It is written on the subscribed connection, and Redis
//     answers it in order behind everything that it sent before. So an answer proves that all that
//     was published until then was received.
//
// The package knows nothing of windows and InfluxDB, nor of what is in a message.
package source

// A Sink takes what a source receives. All calls come from one goroutine. They must not wait, but
// for a stream's: Redis keeps what is not read.
type Sink interface {
	// Message takes a payload, which holds one or more messages. The sink may keep it.
	Message(payload string)
	// Reject takes what holds no message at all, and why.
	Reject(reason, payload string)
	// Time tells that everything of before the instant at, in nanoseconds since 1970, was handed on.
	// It never goes backward. The position is that of the last entry handed on.
	Time(at int64, position Position)
	// Gap tells that of the time between two instants not everything may have been received. It does
	// not advance time.
	Gap(from, to int64)
}

// A Position is how far a stream was handed on.
type Position struct {
	// ID is the last entry's, empty before the first.
	ID string
	// Entries is how many entries had ever been added to the stream up to there, 0 if that is not
	// known. From it follows how many were deleted before they were read.
	Entries int64
}

// State is told of every change of the connection: nil when messages come, else why not. It must
// not block.
type State func(error)
