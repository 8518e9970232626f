package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// OwnerName returns a name for this process. Names sort by the time of their start, and no two are
// alike: two owners of one name would fence each other for ever.
func OwnerName(start time.Time) string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%013d-%s-%s", start.UnixMilli(), host, rand.Text()[:8])
}

// Members shares the partitions of a channel between its live workers, whose names are in the
// sorted set <channel>:workers with the time of their last heartbeat, in milliseconds of Redis'
// TIME. It is for balance only: what keeps two workers from writing one partition is the token in
// Redis.
type Members struct {
	node       Node
	key        string
	name       string
	lease      time.Duration
	partitions int
	share      Share
	over       int // heartbeats in a row with too many partitions
}

// A Share is what a worker should own.
type Share struct {
	Workers    int // live ones
	Partitions int // for this one
	Excess     int // to be given up; not before the second heartbeat in a row that finds it
}

// NewMembers makes the members' list of a channel. Until the first heartbeat succeeds the share is
// none.
func NewMembers(node Node, channel, name string, lease time.Duration, partitions int) *Members {
	return &Members{
		node: node, key: channel + ":workers", name: name, lease: lease, partitions: partitions,
	}
}

// heartbeatScript takes a name and a lease in ms, and returns the names that are alive, and those
// that have given no heartbeat for ten leases.
var heartbeatScript = redis.NewScript(allowOOM + now + `
	redis.call('ZADD', KEYS[1], now, ARGV[1])
	return {redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[2], '+inf'),
		redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - 10 * ARGV[2])}`)

// Heartbeat says that this worker lives and owns that many partitions, and returns its share. It is
// to be called several times in a lease. After an error the share is the last one, with nothing to
// give up.
func (m *Members) Heartbeat(ctx context.Context, owned int) (Share, error) {
	m.share.Excess = 0
	c, err := m.node(ctx, m.key)
	if err != nil {
		return m.share, wrap("heartbeat in", m.key, err)
	}
	names, err := heartbeatScript.Run(ctx, c, []string{m.key}, m.name, m.lease.Milliseconds()).Slice()
	if err != nil {
		return m.share, wrap("heartbeat in", m.key, err)
	}
	live, dead := names[0].([]any), names[1].([]any)
	rank := 0
	for _, name := range live {
		if name.(string) < m.name {
			rank++
		}
	}
	m.share = Share{Workers: len(live), Partitions: m.partitions / len(live)}
	if rank < m.partitions%len(live) {
		m.share.Partitions++
	}
	if owned <= m.share.Partitions {
		m.over = 0
	} else if m.over++; m.over > 1 {
		m.share.Excess = owned - m.share.Partitions
	}
	if len(dead) > 0 { // by a command of its own, as each write
		err = c.ZRem(ctx, m.key, dead...).Err()
	}
	return m.share, wrap("prune", m.key, err)
}

// Leave removes this worker's name, so that the others need not wait for its lease to end.
func (m *Members) Leave(ctx context.Context) error {
	c, err := m.node(ctx, m.key)
	if err == nil {
		err = c.ZRem(ctx, m.key, m.name).Err()
	}
	return wrap("leave", m.key, err)
}

// Streams returns the keys of a channel's partitions. If there are several, each is in a hash slot
// of its own.
func Streams(channel string, partitions int) []string {
	if partitions == 1 {
		return []string{channel}
	}
	keys := make([]string, partitions)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s:{%d}", channel, i)
	}
	return keys
}

// ErrPartitions: the stream has another number of partitions.
var ErrPartitions = errors.New("the number of partitions is wrong")

// CheckPartitions compares REDIS_PARTITIONS with what the channel was begun with, which it writes
// if nobody has.
func CheckPartitions(ctx context.Context, node Node, channel string, partitions int) error {
	key := channel + ":partitions"
	c, err := node(ctx, key)
	if err != nil {
		return wrap("read", key, err)
	}
	// The key never expires, so this is a write by one command, or none.
	if err := c.SetNX(ctx, key, partitions, 0).Err(); err != nil {
		return wrap("write", key, err)
	}
	text, err := c.Get(ctx, key).Result()
	if err != nil {
		return wrap("read", key, err)
	}
	if there := strings.TrimSpace(text); there != strconv.Itoa(partitions) {
		return fmt.Errorf("%w: REDIS_PARTITIONS is %d, but the stream %s was begun with %s partitions "+
			"(key %s); to change the number, drain the stream first",
			ErrPartitions, partitions, channel, there, key)
	}
	return nil
}
