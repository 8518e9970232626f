package publish

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
	"colorstream/generator/service/servicetest"
)

// publishAll publishes numbered messages in batches of many sizes until stop is closed, and tells
// how many.
func publishAll(t testing.TB, r *rig, stop <-chan struct{}) <-chan int {
	total := make(chan int, 1)
	go func() {
		n := 0
		defer func() { total <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			size := 1 + rand.IntN(BatchSize)
			r.add(n, size)
			n += size
			if _, err := r.Flush(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	return total
}

// disturb does something to Redis again and again while messages are published, each time when some
// hundred more have arrived, and gives back how many were handed to the publisher in all.
func disturb(t *testing.T, r *rig, times int, strike func()) int {
	t.Helper()
	stop := make(chan struct{})
	total := publishAll(t, r, stop)
	for range times {
		goal := r.Counts().Published + 100 + rand.Uint64N(5000)
		servicetest.Eventually(t, "messages are published",
			func() bool { return r.Counts().Published >= goal })
		time.Sleep(rand.N(3 * time.Millisecond)) // strike at any moment of a round trip
		strike()
	}
	goal := r.Counts().Published + 2*BatchSize
	servicetest.Eventually(t, "messages are published in the end",
		func() bool { return r.Counts().Published >= goal })
	close(stop)
	return <-total
}

// Redis is killed and started again, and keeps what it has acknowledged: each message is in the
// stream once.
func TestStreamOverKilledRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	r := newRig(t, server.URL(), Stream)
	total := disturb(t, r, 8, func() {
		server.Kill()
		server.Restart()
	})
	if got := r.Counts(); got.Published != uint64(total) || got.Errors == 0 {
		t.Errorf("%d messages: %+v", total, got)
	}
	checkStream(t, server.Client(), total)
	if down, up := r.log.Count("cannot publish"), r.log.Count("publishing again"); down != up ||
		down > 8 {
		t.Errorf("%d times down and %d times up", down, up)
	}
}

// Redis hangs for longer than the time-out, with a batch on its way: it carries the batch out when
// it goes on, or loses it with the connection, but the stream holds each message once.
func TestStreamOverHangingRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := newRig(t, server.URL(), Stream, func(o *Options) { o.timeout = 200 * time.Millisecond })
	total := disturb(t, r, 6, func() {
		server.Stop()
		before := r.Counts().Errors
		servicetest.Eventually(t, "the time-out", func() bool { return r.Counts().Errors > before })
		server.Resume()
	})
	checkStream(t, server.Client(), total)
}

// The connection is cut at any moment while Redis lives.
func TestStreamOverCutConnections(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	r := newRig(t, server.URL(), Stream)
	total := disturb(t, r, 20, func() {
		client.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes")
	})
	checkStream(t, client, total)
}

// Pub/Sub cannot know more than it does, but nothing is doubled or out of order, and everything is
// counted.
func TestPubSubIsDisturbed(t *testing.T) {
	t.Parallel()
	run := func(name string, times int, strike func(*redistest.Server, *redis.Client)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			client := server.Client()
			sub := client.Subscribe(t.Context(), "colors")
			if _, err := sub.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
			received := make(chan int)
			go func() {
				last, n := -1, 0
				messages := sub.Channel(redis.WithChannelSize(1<<20),
					redis.WithChannelSendTimeout(time.Minute))
				for m := range messages {
					for _, got := range numbers(t, m.Payload) {
						if got <= last {
							t.Errorf("number %d comes after %d", got, last)
						}
						last = got
						n++
					}
				}
				received <- n
			}()
			r := newRig(t, server.URL(), PubSub)
			total := disturb(t, r, times, func() { strike(server, client) })
			counts := r.Counts()
			if counts.Published+counts.Unacknowledged != uint64(total) {
				t.Errorf("%d messages: %+v", total, counts)
			}
			if err := sub.Close(); err != nil {
				t.Error(err)
			}
			if n := <-received; n < 1 || uint64(n) > counts.Published+counts.Unacknowledged {
				t.Errorf("%d received of %+v", n, counts)
			}
		})
	}
	run("killed", 4, func(s *redistest.Server, _ *redis.Client) {
		s.Kill()
		s.Restart()
	})
	run("cut", 20, func(_ *redistest.Server, c *redis.Client) {
		c.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes")
	})
}

// What was certainly not sent is sent when Redis comes, also over Pub/Sub.
func TestRedisComesLater(t *testing.T) {
	t.Parallel()
	for _, transport := range []Transport{PubSub, Stream} {
		t.Run(string(transport), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			server.Kill()
			r := newRig(t, server.URL(), transport)
			r.add(0, 10)
			done := r.flushing(t)
			servicetest.Eventually(t, "a failed attempt", func() bool { return r.Counts().Errors > 0 })
			server.Restart()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := r.Counts(); got.Published != 10 || got.Unacknowledged != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}
