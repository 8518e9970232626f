package publish

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/streamid"
)

// The fields of an entry: the payload, and the batch's number.
const (
	EntryField  = "m"
	NumberField = "n"
)

// lookEvery is how often the worker's position is looked at.
const lookEvery = time.Second

// streamState is what a batch's stream is known to hold.
type streamState struct {
	number  uint64 // of the newest payload
	last    string // the newest id that the stream had before it
	inDoubt bool   // it was sent, and no answer came
	waiting []appended
	looked  time.Time
}

// appended is a payload that the worker may not have committed yet.
type appended struct {
	id string
	n  int
}

var errPartitions = errors.New("the number of partitions is wrong")

// checkPartitions holds their number against what the stream was begun with, once.
func (p *Publisher) checkPartitions(ctx context.Context) error {
	if p.checked {
		return nil
	}
	key, want := p.options.Channel+":partitions", strconv.Itoa(p.options.Partitions)
	if err := p.client.SetNX(ctx, key, want, 0).Err(); err != nil {
		return err
	}
	found, err := p.client.Get(ctx, key).Result()
	if err != nil {
		return err
	}
	if found != want {
		return fmt.Errorf("%w: REDIS_PARTITIONS is %s, but the stream %s was begun with %s (key %s)",
			errPartitions, want, p.options.Channel, found, key)
	}
	p.checked = true
	return nil
}

// append appends a batch as an entry, and waits for replicas if there are to be any:
//
//	XADD <key> * n <run>:<number> m <messages, a line each>
//	WAIT <replicas> <milliseconds>
//
// If the error is nil the batch is empty, and its messages counted.
func (p *Publisher) append(ctx context.Context, b *batch) error {
	node, err := p.client.Node(ctx, b.key)
	if err != nil {
		return err
	}
	if err := p.look(ctx, node, b); err != nil {
		return err
	}
	state := &b.stream
	if state.last == "" {
		if state.last, err = lastID(ctx, node, b.key); err != nil {
			return err
		}
	}
	if !state.inDoubt {
		state.number++
	}
	id, err := p.addOrFind(ctx, node, b)
	switch {
	case err == nil:
		p.count(func(c *Counts) {
			c.Published += uint64(b.n)
			c.StreamWaiting += int64(b.n)
		})
		state.last, state.inDoubt = id, false
		state.waiting = append(state.waiting, appended{id, b.n})
	case strings.HasPrefix(err.Error(), "UNKNOWN"):
		p.log.Error("nobody can tell any more whether messages are in the stream: not sent again",
			"stream", b.key, "messages", b.n, "error", err)
		p.count(func(c *Counts) { c.Unacknowledged += uint64(b.n) })
		state.last, state.inDoubt = "", false
	default:
		// Whatever failed may have been carried out before it did: also an error of WAIT.
		state.inDoubt = true
		return err
	}
	b.empty()
	return nil
}

// addOrFind appends a batch, or finds it, and waits for replicas, in one round trip on one
// connection.
func (p *Publisher) addOrFind(
	ctx context.Context, node *redis.Client, b *batch,
) (id string, err error) {
	number := p.run + ":" + strconv.FormatUint(b.stream.number, 10)
	pipe := node.Pipeline()
	var added *redis.Cmd
	if b.stream.inDoubt {
		added = pipe.Eval(ctx, findScript, []string{b.key}, b.stream.last, number, b.payload)
	} else {
		added = pipe.Do(ctx, "xadd", b.key, "*", NumberField, number, EntryField, b.payload)
	}
	var waited *redis.Cmd
	if p.options.Replicas > 0 {
		waited = pipe.Do(ctx, "wait", p.options.Replicas, 1000)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	if id, err = added.Text(); err != nil {
		return "", err
	}
	if waited == nil {
		return id, nil
	}
	n, err := waited.Int()
	if err == nil && n < p.options.Replicas {
		err = fmt.Errorf("%d replicas of %s have the newest messages, and REDIS_REPLICAS is %d",
			n, b.key, p.options.Replicas)
	}
	return id, err
}

// look drops from what waits what the worker has committed, and fails while too much is left.
func (p *Publisher) look(ctx context.Context, node *redis.Client, b *batch) error {
	most := p.options.StreamMax
	full := func() bool { return most > 0 && p.Counts().StreamWaiting > most }
	if !full() && time.Since(b.stream.looked) < lookEvery {
		return nil
	}
	b.stream.looked = time.Now()
	position, err := node.HGet(ctx, b.key+":worker", "position").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	for len(b.stream.waiting) > 0 && position != "" {
		oldest := b.stream.waiting[0]
		if streamid.Compare(oldest.id, position) > 0 {
			break
		}
		p.count(func(c *Counts) { c.StreamWaiting -= int64(oldest.n) })
		b.stream.waiting = b.stream.waiting[1:]
	}
	if full() {
		return fmt.Errorf("%d messages wait for the worker, more than GENERATOR_STREAM_MAX=%d: "+
			"does it run?", p.Counts().StreamWaiting, most)
	}
	return nil
}

// Uncommitted looks how many published messages the worker has not committed yet (streams only).
func (p *Publisher) Uncommitted(ctx context.Context) (int64, error) {
	for _, b := range p.batches {
		node, err := p.client.Node(ctx, b.key)
		if err != nil {
			return 0, err
		}
		b.stream.looked = time.Time{}
		if err := p.look(ctx, node, b); err != nil {
			return 0, err
		}
	}
	return p.Counts().StreamWaiting, nil
}

// lastID gives the newest id that a stream ever had.
func lastID(ctx context.Context, node *redis.Client, key string) (string, error) {
	info, err := node.XInfoStream(ctx, key).Result()
	switch {
	case err == nil:
		return info.LastGeneratedID, nil
	case redis.HasErrorPrefix(err, "ERR no such key"), redis.HasErrorPrefix(err, "no such key"):
		return "0-0", nil
	}
	return "", err
}

// findScript looks for a batch's number among the entries after an id, newest first, and appends
// the batch if it is not there. It returns the entry's id. If the number is there, it appends a
// tick: WAIT counts only what its own connection has written. It writes with one command. If the
// stream was trimmed past the id, it cannot tell.
const findScript = `
local from, upto = ARGV[1], '+'
if from ~= '0-0' and #redis.call('XRANGE', KEYS[1], from, from, 'COUNT', 1) == 0 then
	local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
	local last = nil
	for i = 1, #info, 2 do
		if info[i] == 'last-generated-id' then last = info[i + 1] end
	end
	local older = #redis.call('XRANGE', KEYS[1], '-', from, 'COUNT', 1)
	if last ~= nil and last ~= from and older == 0 then
		return redis.error_reply('UNKNOWN the stream was trimmed past the last entry')
	end
end
while true do
	local some = redis.call('XREVRANGE', KEYS[1], upto, '(' .. from, 'COUNT', 10)
	for _, entry in ipairs(some) do
		for k = 1, #entry[2], 2 do
			if entry[2][k] == 'n' and entry[2][k + 1] == ARGV[2] then
				redis.call('XADD', KEYS[1], '*', 't', '1')
				return entry[1]
			end
		end
	end
	if #some < 10 then break end
	upto = '(' .. some[#some][1]
end
return redis.call('XADD', KEYS[1], '*', 'n', ARGV[2], 'm', ARGV[3])`
