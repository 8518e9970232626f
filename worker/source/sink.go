// Package source brings messages from Redis to the worker's windows: over Pub/Sub, or from a stream.
//
// A source is one goroutine that receives, and hands each message on by a call. It never waits for anything but
// its socket: what takes the messages must not block.
//
// The package knows nothing of windows and InfluxDB, nor of what is in a message.
package source

// A Sink takes what a source receives. All calls but Begin stand between a Begin and its End, so that a source
// pays for the sink's lock once for many messages.
type Sink interface {
	// Begin locks the sink and gives the time, in nanoseconds since 1970 by a clock that never goes backward.
	Begin() (now int64)
	// End unlocks the sink.
	End()
	// Message takes a message that the source had at the instant at. The sink may keep the payload. again is
	// true if an earlier run may have had it already.
	Message(payload string, at int64, again bool)
	// Position tells how far a source that can go back has come, in words of its own: up to there everything has been
	// handed on. The sink's owner stores it with what it closes, and gives it back to the source after a restart.
	Position(position string)
	// Advance tells that all messages before the instant at have been handed on.
	Advance(at int64)
	// Heard tells that from the instant at on everything is received.
	Heard(at int64)
	// Lost tells that what was sent since the instant at, until Heard, is not received and never will be.
	Lost(at int64)
}

// State is told of every change of the connection: nil when messages come, else why not. It must not block.
type State func(error)
