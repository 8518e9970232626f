package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/streamid"
)

// A Node returns a client of the Redis server that holds a key: the only one, or a cluster's master
// for it.
type Node func(ctx context.Context, key string) (*redis.Client, error)

const (
	// redisLines is how many bytes of lines may wait before Full, as compressed: moving a slot
	// blocks Redis by the size of its largest key.
	redisLines = 64 << 20
	// redisLetters is how many bytes of dead letters may wait. Further ones are dropped.
	redisLetters = 4 << 20
)

// Redis is a Store in one hash beside a stream; package doc describes it. Its owner holds a lease:
// call Acquire and Load first, and then Renew in time. After any error of Commit, and after
// ErrFenced, whoever returned it, what is in memory is void, and the next steps are Acquire and
// Load, during which nothing else is called. Other errors of Oldest and Remove are temporary.
type Redis struct {
	log      *slog.Logger
	node     Node
	stream   string
	hash     string
	owner    string
	lease    time.Duration
	replicas int
	signals

	mu       sync.Mutex // for all below; not held during calls of Redis
	token    string
	position string // that Redis is known to hold
	waiting  map[Queue][]field
	bytes    map[Queue]int64
	dropped  uint64 // letters
}

// A field of the hash is a batch.
type field struct {
	name string
	size int64
}

// NewRedis makes the store of one stream. The owner's name is to be another one in each process.
// Before lines are sent they are on that many replicas.
func NewRedis(
	log *slog.Logger, node Node, stream, owner string, lease time.Duration, replicas int,
) *Redis {
	return &Redis{
		log: log, node: node, stream: stream, hash: stream + ":worker",
		owner: owner, lease: lease, replicas: replicas,
		signals: newSignals(), waiting: map[Queue][]field{}, bytes: map[Queue]int64{},
	}
}

// Acquire takes the lease if nobody else has it, and reports whether it did. No commit of an
// earlier owner, or of this one before, succeeds after that.
func (r *Redis) Acquire(ctx context.Context) (bool, error) {
	token := r.owner + "-" + rand.Text()
	taken, err := r.run(ctx, acquireScript, token, r.lease.Milliseconds(), r.owner).Int()
	if err != nil || taken == 0 {
		return false, wrap("acquire", r.hash, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token = token
	return true, nil
}

// Owner returns the name of who holds the lease, "" if nobody does.
func (r *Redis) Owner(ctx context.Context) (string, error) {
	name, err := r.run(ctx, ownerScript).Text()
	return name, wrap("ask for the owner of", r.hash, err)
}

// Renew prolongs the lease. The error is ErrFenced if another worker took it.
func (r *Redis) Renew(ctx context.Context) error {
	return wrap("renew", r.hash, r.run(ctx, renewScript, r.own(), r.lease.Milliseconds()).Err())
}

// Release gives the lease up, so that another worker need not wait for its end.
func (r *Redis) Release(ctx context.Context) error {
	err := r.run(ctx, releaseScript, r.own()).Err()
	if errors.Is(err, ErrFenced) {
		return nil
	}
	return wrap("release", r.hash, err)
}

// Load returns what the last commit saved.
func (r *Redis) Load(ctx context.Context) (Saved, error) {
	v, err := r.run(ctx, loadScript, r.own()).Slice()
	if err != nil {
		return Saved{}, wrap("load", r.hash, err)
	}
	state, _ := v[0].(string)
	position, _ := v[1].(string)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.position = position
	clear(r.waiting)
	clear(r.bytes)
	for v := v[2:]; len(v) > 1; v = v[2:] {
		name, _ := v[0].(string)
		size, _ := v[1].(int64)
		q, _, _ := strings.Cut(name, ":")
		r.add(Queue(q), name, size)
	}
	for q, fields := range r.waiting {
		slices.SortFunc(fields, func(a, b field) int {
			return streamid.Compare(a.position(), b.position())
		})
		r.send(q)
	}
	return Saved{State: []byte(state), Position: position}, nil
}

// Commit saves all of c or nothing. A commit with lines or letters has a position after that of the
// one before.
func (r *Redis) Commit(ctx context.Context, c Commit) error {
	r.mu.Lock()
	token, before, full := r.token, r.position, r.bytes[Letters] >= redisLetters
	r.mu.Unlock()
	if len(c.Parts) > 0 {
		return errors.New("commit: parts are for Bolt")
	}
	args := []any{token, before, c.Position, c.State}
	sizes := map[Queue]int64{}
	drop := 0
	if full {
		drop, c.Letters = bytes.Count(c.Letters, []byte("\n")), nil
	}
	for q, data := range map[Queue][]byte{Lines: c.Lines, Letters: c.Letters} {
		if len(data) == 0 {
			continue
		}
		if streamid.Compare(c.Position, before) <= 0 {
			return fmt.Errorf("commit %s: position %q is not after %q", r.hash, c.Position, before)
		}
		packed := compress(data)
		args, sizes[q] = append(args, string(q)+":"+c.Position, packed), int64(len(packed))
	}
	if err := r.run(ctx, commitScript, args...).Err(); err != nil {
		return wrap("commit", r.hash, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.position = c.Position
	if drop > 0 {
		if r.dropped == 0 {
			r.log.Error("dead letters are dropped: too many wait for Redis", "bytes", r.bytes[Letters])
		}
		r.dropped += uint64(drop)
	}
	for q, size := range sizes {
		r.add(q, string(q)+":"+c.Position, size)
		r.send(q)
	}
	return nil
}

// Full reports whether so many lines wait that no more should be read.
func (r *Redis) Full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes[Lines] >= redisLines
}

// Oldest returns the queue's oldest batches. Lines are on enough replicas then.
func (r *Redis) Oldest(ctx context.Context, q Queue) ([]Batch, error) {
	r.mu.Lock()
	var names []string
	size := int64(0)
	for _, f := range r.waiting[q] {
		// Lua passes no more than some thousand arguments; lines are compressed to about an eighth.
		if size += f.size * 8; len(names) == 1000 || len(names) > 0 && size > oldestBytes {
			break
		}
		names = append(names, f.name)
	}
	r.mu.Unlock()
	if len(names) == 0 {
		return nil, nil
	}
	if q == Lines && r.replicas > 0 {
		if err := r.replicate(ctx); err != nil {
			return nil, fmt.Errorf("wait for the replicas of %s: %w", r.hash, err)
		}
	}
	c, err := r.node(ctx, r.hash)
	if err != nil {
		return nil, wrap("read", r.hash, err)
	}
	values, err := c.HMGet(ctx, r.hash, names...).Result()
	if err != nil {
		return nil, wrap("read", r.hash, err)
	}
	var batches []Batch
	size = 0
	for i, v := range values {
		packed, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s is missing in %s: %w", names[i], r.hash, ErrFenced)
		}
		data, err := decompress(packed)
		if err != nil {
			return nil, fmt.Errorf("read %s in %s: %w", names[i], r.hash, err)
		}
		if size += int64(len(data)); size > oldestBytes && len(batches) > 0 {
			break
		}
		batches = append(batches, Batch{ID: names[i], Data: data, At: field{name: names[i]}.at()})
	}
	return batches, nil
}

// Remove removes batches. The letters are saved before, under a name that a repetition uses again.
func (r *Redis) Remove(ctx context.Context, q Queue, ids []string, letters []byte) error {
	if len(ids) == 0 {
		return nil
	}
	if len(letters) > 0 {
		packed := compress(letters)
		name := string(Letters) + ":" + field{name: ids[0]}.position() + "i"
		if err := r.run(ctx, letterScript, r.own(), name, packed).Err(); err != nil {
			return wrap("save the letters of", r.hash, err)
		}
		r.mu.Lock()
		if !slices.ContainsFunc(r.waiting[Letters], func(f field) bool { return f.name == name }) {
			r.add(Letters, name, int64(len(packed)))
		}
		r.mu.Unlock()
		r.send(Letters)
	}
	args := []any{r.own()}
	for _, id := range ids {
		args = append(args, id)
	}
	if err := r.run(ctx, removeScript, args...).Err(); err != nil {
		return wrap("remove lines of", r.hash, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[q] = slices.DeleteFunc(r.waiting[q], func(f field) bool {
		gone := slices.Contains(ids, f.name)
		if gone {
			r.bytes[q] -= f.size
		}
		return gone
	})
	return nil
}

// Trim removes entries before an entry from the stream, but none that is younger than age, and none
// of the newest count entries. It removes a thousand at a time, since Redis serves nobody
// meanwhile, and may leave some hundred that could go.
func (r *Redis) Trim(
	ctx context.Context, before string, age time.Duration, count int64,
) (removed int64, err error) {
	c, err := r.node(ctx, r.stream)
	if err != nil {
		return 0, wrap("trim", r.stream, err)
	}
	now, err := c.Time(ctx).Result()
	if err != nil {
		return 0, wrap("trim", r.stream, err)
	}
	young := fmt.Sprintf("%d-0", now.Add(-age).UnixMilli())
	if streamid.Compare(young, before) < 0 {
		before = young
	}
	for ctx.Err() == nil {
		limit := int64(1000)
		if count > 0 {
			length, err := c.XLen(ctx, r.stream).Result()
			if err != nil {
				return removed, wrap("trim", r.stream, err)
			}
			if limit = min(limit, length-count); limit <= 0 {
				return removed, nil
			}
		}
		n, err := c.XTrimMinIDApprox(ctx, r.stream, before, limit).Result()
		if removed += n; err != nil || n == 0 {
			return removed, wrap("trim", r.stream, err)
		}
	}
	return removed, ctx.Err()
}

// Stats returns what waits and was counted.
func (r *Redis) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{
		Bytes: r.bytes[Lines] + r.bytes[Letters], Batches: len(r.waiting[Lines]),
		DroppedLetters: r.dropped,
	}
	if s.Batches > 0 {
		s.Oldest = r.waiting[Lines][0].at()
	}
	return s
}

func (r *Redis) own() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.token, "none")
}

// add counts a batch that Redis has. The caller holds mu.
func (r *Redis) add(q Queue, name string, size int64) {
	r.waiting[q] = append(r.waiting[q], field{name, size})
	r.bytes[q] += size
}

// run runs a script on the hash.
func (r *Redis) run(ctx context.Context, script *redis.Script, args ...any) *redis.Cmd {
	c, err := r.node(ctx, r.hash)
	if err != nil {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(err)
		return cmd
	}
	return fence(script.Run(ctx, c, []string{r.hash}, args...))
}

// fence makes ErrFenced of a script's answer.
func fence(cmd *redis.Cmd) *redis.Cmd {
	if err := cmd.Err(); err != nil && strings.HasPrefix(err.Error(), "FENCED") {
		cmd.SetErr(ErrFenced)
	}
	return cmd
}

// replicate waits until enough replicas have all that was committed. WAIT counts those that have
// what its own connection wrote, so a write goes before it.
func (r *Redis) replicate(ctx context.Context) error {
	c, err := r.node(ctx, r.hash)
	if err != nil {
		return err
	}
	conn := c.Conn()
	defer conn.Close()
	err = fence(renewScript.Eval(ctx, conn, []string{r.hash}, r.own(), r.lease.Milliseconds())).Err()
	if err != nil {
		return err
	}
	n, err := conn.Wait(ctx, r.replicas, time.Second).Result()
	if err == nil && n < int64(r.replicas) {
		err = fmt.Errorf("%d of %d have them", n, r.replicas)
	}
	return err
}

func wrap(act, key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", act, key, err)
}
