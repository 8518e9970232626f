package main

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
)

// A numbering publishes 1, 2, 3 … of one colour, about a thousand a second, and knows when it
// published each.
type numbering struct{ before, after []int64 } // of number i+1, ns

// publishNumbers publishes until stop is called; then the numbers may be looked at.
func publishNumbers(t *testing.T, client *redis.Client) (n *numbering, stop func()) {
	n = new(numbering)
	ctx, cancel := context.WithCancel(t.Context())
	var publisher sync.WaitGroup
	publisher.Go(func() { n.publish(ctx, client) })
	stop = func() { cancel(); publisher.Wait() }
	t.Cleanup(stop)
	return n, stop
}

func (n *numbering) publish(ctx context.Context, client *redis.Client) {
	for ctx.Err() == nil {
		payloads := make([]string, 5)
		first := len(n.before) + 1
		for i := range payloads {
			payloads[i] = string(message.Message{Color: "red", Value: float64(first + i)}.AppendJSON(nil))
		}
		before := time.Now().UnixNano()
		_, err := client.Pipelined(context.WithoutCancel(ctx), func(p redis.Pipeliner) error {
			for _, payload := range payloads {
				p.Publish(ctx, "colors", payload)
			}
			return nil
		})
		after := time.Now().UnixNano()
		if err != nil {
			return
		}
		for range payloads {
			n.before, n.after = append(n.before, before), append(n.after, after)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// check holds complete points against what was published: all of the window's numbers, and no
// other, but for those published within onTime of a border, which may stand on its other side.
func (n *numbering) check(
	t *testing.T, points map[pointKey]point, width time.Duration,
) (complete int) {
	t.Helper()
	const tolerance = int64(250 * time.Millisecond)
	for key, p := range points {
		at := time.Unix(0, key.Start).UTC()
		if float64(p.Count) > p.Max-p.Min+1 {
			t.Errorf("the window at %v holds something twice: %+v", at, p)
		}
		if !p.Complete {
			continue
		}
		complete++
		if float64(p.Count) != p.Max-p.Min+1 {
			t.Errorf("the window at %v calls itself complete and misses messages: %+v", at, p)
			continue
		}
		if mean := (p.Max + p.Min) / 2; math.Abs(p.Mean-mean) > 1e-9*mean || p.Median != mean {
			t.Errorf("the window at %v: %+v", at, p)
		}
		if n := float64(p.Count); p.P95 != 0 && (math.Abs(p.P95-p.Min-0.95*(n-1)) > 1e-6 ||
			math.Abs(p.StdDev-math.Sqrt(n*(n+1)/12)) > 1e-6) {
			t.Errorf("the window at %v: %+v", at, p)
		}
		end := key.Start + int64(width)
		if next := points[pointKey{end, key.Color}]; next.Complete && p.Max+1 != next.Min {
			t.Errorf("messages are missing between two complete windows: %+v %+v", p, next)
		}
		for i := range n.before {
			number := float64(i + 1)
			inside := n.before[i] >= key.Start+tolerance && n.after[i] < end-tolerance
			outside := n.after[i] < key.Start-tolerance || n.before[i] >= end+tolerance
			if has := p.Min <= number && number <= p.Max; inside && !has || outside && has {
				t.Errorf("the complete window at %v holds %v to %v, and %v was published at %v",
					at, p.Min, p.Max, number, time.Unix(0, n.before[i]).UTC())
				break
			}
		}
	}
	return complete
}

// TestCompleteIsTrue lets the worker, its connection and Redis fail in all ways, at random: a
// window that calls itself complete holds all that was published in it, and calm windows are
// complete. FAULTS=200 makes it longer.
func TestCompleteIsTrue(t *testing.T) {
	t.Parallel()
	const width = time.Second
	faults := 10
	if text := os.Getenv("FAULTS"); text != "" {
		faults, _ = strconv.Atoi(text)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := newRig(t, nil, "--client-output-buffer-limit", "pubsub 64kb 0 0")
	proxy := redistest.NewProxy(t, "127.0.0.1", r.redis.Addr())
	r.env["WORKER_WINDOW"], r.env["WORKER_LATENESS"] = width.String(), "0s"
	r.env["WORKER_STATISTICS"] = moreStatistics
	r.env["REDIS_URL"] = "redis://" + proxy.Addr() + "/0"
	stopWatching := r.watch()
	client := r.redis.Client()
	numbers, stop := publishNumbers(t, client)
	w := r.worker(nil)
	kinds := []string{"stop", "stop long", "client kill", "silence", "kill", "restart"}
	var calm []int64 // starts of windows in which nothing happened, and nothing just before
	for i := range faults {
		time.Sleep(3 * width)
		kind := kinds[i%len(kinds)]
		pause := time.Duration(random.Int64N(int64(4 * time.Second)))
		switch kind {
		case "stop": // short: Redis does not cut it off
			_ = w.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(pause / 4)
			_ = w.cmd.Process.Signal(syscall.SIGCONT)
		case "stop long":
			_ = w.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(pause + 3*time.Second)
			_ = w.cmd.Process.Signal(syscall.SIGCONT)
		case "client kill":
			_ = client.Do(t.Context(), "client", "kill", "type", "pubsub").Err()
		case "silence":
			proxy.Silence(true)
			time.Sleep(500*time.Millisecond + 2*pause)
			proxy.Silence(false)
		case "kill":
			w.kill()
			time.Sleep(pause / 4)
			w = r.worker(nil)
		case "restart":
			w.stop()
			w = r.worker(nil)
		}
		w.waitReady("redis")
		// The window that is open now, and the one after, may still see the fault's end.
		calm = append(calm, time.Now().Truncate(width).Add(2*width).UnixNano())
	}
	time.Sleep(3 * width)
	stop()
	time.Sleep(2 * width)
	w.stop()
	r.worker(nil)
	time.Sleep(2 * width)
	stopWatching()
	points := r.points()
	complete := numbers.check(t, points, width)
	incomplete := 0
	for _, start := range calm {
		if p, ok := points[pointKey{start, "red"}]; ok && !p.Complete {
			incomplete++
		}
	}
	t.Logf("%d faults, %d messages: %d of %d points complete; %d of %d calm windows are not",
		faults, len(numbers.before), complete, len(points), incomplete, len(calm))
	if complete < faults || incomplete > len(calm)/5 { // this machine itself stops at times
		t.Errorf("%d windows are complete, %d of %d calm ones are not", complete, incomplete, len(calm))
	}
	if got := slices.Max(numbers.before); got == 0 {
		t.Error("nothing was published")
	}
}
