package publish

import (
	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
)

// BatchSize is how many messages go to Redis in one round trip at most. Larger ones were not faster.
const BatchSize = 1024

// A batch holds encoded messages until they are published, in order. Its commands and buffers are made once and
// used again and again, so that publishing costs no allocation per message of ours.
type batch struct {
	cmds     []redis.Cmder
	payloads []*payload
	n        int
}

// payload lends its bytes to go-redis, which asks for them when it writes the command.
type payload struct{ bytes []byte }

func (p *payload) MarshalBinary() ([]byte, error) { return p.bytes, nil }

func newBatch(command func(*payload) redis.Cmder) *batch {
	b := &batch{cmds: make([]redis.Cmder, BatchSize), payloads: make([]*payload, BatchSize)}
	for i := range b.cmds {
		b.payloads[i] = new(payload)
		b.cmds[i] = command(b.payloads[i])
	}
	return b
}

// add encodes a message at the batch's end, which must not be full.
func (b *batch) add(m message.Message) {
	p := b.payloads[b.n]
	p.bytes = m.AppendJSON(p.bytes[:0])
	b.n++
}

// commands are those that are still to be sent, marked as not answered.
func (b *batch) commands() []redis.Cmder {
	cmds := b.cmds[:b.n]
	for _, cmd := range cmds {
		cmd.SetErr(errNoReply)
	}
	return cmds
}

// keep drops the commands for which again answers false; the others stay in order.
func (b *batch) keep(again func(redis.Cmder) bool) {
	kept := 0
	for i := range b.n {
		if again(b.cmds[i]) {
			b.cmds[kept], b.cmds[i] = b.cmds[i], b.cmds[kept]
			b.payloads[kept], b.payloads[i] = b.payloads[i], b.payloads[kept]
			kept++
		}
	}
	b.n = kept
}
