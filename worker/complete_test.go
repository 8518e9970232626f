package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
)

// A numbering publishes 1, 2, 3 … of one colour, about a thousand a second, and knows when it
// published each.
type numbering struct {
	*rig
	before, after []int64 // of number i+1, ns
}

// publishNumbers publishes until stop is called; then the numbers may be looked at.
func (r *rig) publishNumbers() (n *numbering, stop func()) {
	n = &numbering{rig: r}
	ctx, cancel := context.WithCancel(r.t.Context())
	var publisher sync.WaitGroup
	publisher.Go(func() { n.publish(ctx) })
	stop = func() { cancel(); publisher.Wait() }
	r.t.Cleanup(stop)
	return n, stop
}

func (n *numbering) publish(ctx context.Context) {
	for ctx.Err() == nil {
		payloads := make([]string, 5)
		first := len(n.before) + 1
		for i := range payloads {
			payloads[i] = string(message.Message{Color: "red", Value: float64(first + i)}.AppendJSON(nil))
		}
		before := time.Now().UnixNano()
		n.rig.publish(payloads...)
		after := time.Now().UnixNano()
		for range payloads {
			n.before, n.after = append(n.before, before), append(n.after, after)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// check holds points against what was published. Whatever they say, nothing is in one twice. A
// complete one has all of the window's numbers, and no other, but for those published within a
// tolerance of a border, which may stand on its other side.
func (n *numbering) check(width time.Duration) (points map[pointKey]point, complete int) {
	n.t.Helper()
	const tolerance = int64(250 * time.Millisecond)
	points = n.points()
	for key, p := range points {
		at := time.Unix(0, key.Start).UTC()
		first, last := p.Statistics["min"], p.Statistics["max"]
		if float64(p.Count) > last-first+1 {
			n.t.Errorf("the window at %v holds something twice: %+v", at, p)
		}
		if !p.Complete {
			continue
		}
		complete++
		var numbers []float64
		for i := first; i <= last; i++ {
			numbers = append(numbers, i)
		}
		want := n.naive(map[pointKey][]float64{key: numbers})
		if diff := difference(want, map[pointKey]point{key: p}); diff != "" {
			n.t.Errorf("the window at %v calls itself complete: -all from min to max +it\n%s", at, diff)
		}
		end := key.Start + int64(width)
		if next := points[pointKey{end, key.Color}]; next.Complete && last+1 != next.Statistics["min"] {
			n.t.Errorf("messages are missing between two complete windows: %+v %+v", p, next)
		}
		for i := range n.before {
			number := float64(i + 1)
			inside := n.before[i] >= key.Start+tolerance && n.after[i] < end-tolerance
			outside := n.after[i] < key.Start-tolerance || n.before[i] >= end+tolerance
			if has := first <= number && number <= last; inside && !has || outside && has {
				n.t.Errorf("the complete window at %v holds %v to %v, and %v was published at %v",
					at, first, last, number, time.Unix(0, n.before[i]).UTC())
				break
			}
		}
	}
	return points, complete
}

// TestCompleteIsTrue lets the worker, its connection and Redis fail in all ways, at random: a
// window that calls itself complete holds all that was published in it, and calm windows are
// complete.
func TestCompleteIsTrue(t *testing.T) {
	t.Parallel()
	const width = time.Second
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := newRig(t, nil, "--client-output-buffer-limit", "pubsub 64kb 0 0")
	proxy := redistest.NewProxy(t, "127.0.0.1", r.redis.Addr())
	r.set("WORKER_WINDOW="+width.String(), "WORKER_LATENESS=0s",
		"REDIS_URL=redis://"+proxy.Addr()+"/0")
	r.moreStatistics()
	stopWatching := r.watch()
	numbers, stop := r.publishNumbers()
	w := r.worker()
	kinds := []string{"stop", "stop long", "client kill", "silence", "kill", "restart"}
	var calm []int64 // starts of windows in which nothing happened, and nothing just before
	faults := times(len(kinds))
	for i := range faults {
		time.Sleep(3 * width)
		pause := time.Duration(random.Int64N(int64(4 * time.Second)))
		switch kinds[i%len(kinds)] {
		case "stop": // short: Redis does not cut it off
			w.pause(pause / 4)
		case "stop long":
			w.pause(pause + 3*time.Second)
		case "client kill":
			_ = r.client.Do(t.Context(), "client", "kill", "type", "pubsub").Err()
		case "silence":
			proxy.Silence(true)
			time.Sleep(500*time.Millisecond + 2*pause)
			proxy.Silence(false)
		case "kill":
			w.kill()
			time.Sleep(pause / 4)
			w = r.worker()
		case "restart":
			w.stop()
			w = r.worker()
		}
		w.waitReady("redis")
		// The window that is open now, and the one after, may still see the fault's end.
		calm = append(calm, time.Now().Truncate(width).Add(2*width).UnixNano())
	}
	time.Sleep(3 * width)
	stop()
	time.Sleep(2 * width)
	w.stop()
	r.worker()
	time.Sleep(2 * width)
	stopWatching()
	points, complete := numbers.check(width)
	incomplete := 0
	for _, start := range calm {
		if p, ok := points[pointKey{start, "red"}]; ok && !p.Complete {
			incomplete++
		}
	}
	t.Logf("%d faults, %d messages: %d of %d points complete; %d of %d calm windows are not",
		faults, len(numbers.before), complete, len(points), incomplete, len(calm))
	if complete < faults || incomplete > len(calm)/2 { // this machine itself stops at times
		t.Errorf("%d windows are complete, %d of %d calm ones are not", complete, incomplete, len(calm))
	}
}

// TestPubSubRestarts stops the worker with SIGTERM inside windows, again and again: every message
// that it had received is in exactly one point, and no window with a gap calls itself complete.
func TestPubSubRestarts(t *testing.T) {
	t.Parallel()
	const width = 2 * time.Second
	r := newRig(t, nil)
	r.set("WORKER_WINDOW=" + width.String())
	stopWatching := r.watch()
	numbers, stop := r.publishNumbers()
	random := rand.New(rand.NewPCG(8, 8))
	received := int64(0)
	restarts := times(15)
	for i := range restarts {
		w := r.worker()
		run := time.Duration(random.IntN(700)) * time.Millisecond
		if i%5 == 4 {
			run += 2 * width // so that some windows are whole
		}
		time.Sleep(run)
		w.stop()
		said := w.said("stopped")
		if said["received"] != said["accepted"] {
			t.Fatalf("the last line does not say that all received is counted:\n%s", w.tail())
		}
		received += said["received"]
	}
	stop()
	last := r.worker()
	r.waitCount(received)
	last.stop()
	stopWatching()
	points, complete := numbers.check(width)
	if complete == len(points) || complete == 0 {
		t.Errorf("%d of %d windows are complete", complete, len(points))
	}
	t.Logf("%d restarts: %d published, %d counted; %d of %d windows complete", restarts,
		len(numbers.before), received, complete, len(points))
}
