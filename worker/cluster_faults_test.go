package main

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/redistest"
)

// A fault is something that goes wrong, and is well again in the end.
type fault struct {
	name string
	do   func(*rand.Rand)
}

// strike lets all faults happen once, and then again until enough have, in a random order.
func (r *clusterRig) strike(
	stream uint64, pause time.Duration, enough func(n int) bool, faults ...fault,
) {
	random := rand.New(rand.NewPCG(*faultSeed, stream))
	for n := 0; n < len(faults) || !enough(n); n++ {
		i := n % len(faults)
		if i == 0 {
			random.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		}
		time.Sleep(time.Duration(random.Int64N(int64(pause))))
		if r.t.Failed() {
			return
		}
		r.say("%s", faults[i].name)
		faults[i].do(random)
	}
}

// between picks a time.
func between(random *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(random.Int64N(int64(to-from)))
}

// redisFaults are those of the cluster.
func (r *clusterRig) redisFaults() []fault {
	c := r.cluster
	key := func(random *rand.Rand) string { return r.keys[random.IntN(len(r.keys))] }
	kill := func(random *rand.Rand, key string, master *redistest.Server) {
		master.Kill()
		c.WaitFailover(key, master)
		time.Sleep(between(random, 0, time.Second))
		master.Restart()
	}
	return []fault{
		{"a master is killed, its replica promoted", func(random *rand.Rand) {
			key := key(random)
			kill(random, key, c.Master(key))
			c.WaitWhole()
		}},
		{"a link is cut, and the replica promoted without a vote", func(random *rand.Rand) {
			key := key(random)
			replica := c.Replicas(key)[0]
			mend := r.cut(key, replica)
			time.Sleep(between(random, 500*time.Millisecond, 2*time.Second))
			c.Promote(replica)
			mend()
			c.WaitWhole()
		}},
		{"a link is cut, and the master killed", func(random *rand.Rand) {
			key := key(random)
			master := c.Master(key)
			mend := r.cut(key, c.Replicas(key)[0])
			time.Sleep(between(random, 0, time.Second))
			kill(random, key, master)
			mend()
			c.WaitWhole()
		}},
		{"a link is cut and mended", func(random *rand.Rand) {
			key := key(random)
			mend := r.cut(key, c.Replicas(key)[0])
			time.Sleep(between(random, 0, 3*time.Second))
			mend()
			c.WaitWhole()
		}},
		{"a slot is moved", func(random *rand.Rand) {
			key, to := key(random), c.Master(key(random))
			if to != c.Master(key) {
				c.MoveSlot(key, to)
			}
		}},
		{"a master is out of memory", func(random *rand.Rand) {
			client := c.Master(key(random)).Client()
			limit := func(bytes int) {
				if err := client.ConfigSet(r.t.Context(), "maxmemory", strconv.Itoa(bytes)).Err(); err != nil {
					r.t.Error(err)
				}
			}
			limit(1)
			r.eventually("the generator says OOM", func() bool {
				return strings.Contains(r.generator.readyz(), "OOM")
			})
			time.Sleep(between(random, 0, 3*time.Second))
			limit(0)
		}},
	}
}

// workerFaults are those of the workers.
func (r *clusterRig) workerFaults() []fault {
	pick := func(random *rand.Rand) *program { return r.workers[random.IntN(len(r.workers))] }
	remove := func(w *program) {
		r.workers = slices.DeleteFunc(r.workers, func(p *program) bool { return p == w })
	}
	return []fault{
		{"a worker is killed", func(random *rand.Rand) {
			w := pick(random)
			w.kill()
			remove(w)
			time.Sleep(between(random, 0, 3*time.Second))
			r.workers = append(r.workers, r.start("worker"))
		}},
		{"a worker sleeps for longer than its lease", func(random *rand.Rand) {
			pick(random).pause(lease + between(random, 500*time.Millisecond, 3*time.Second))
		}},
		{"a worker is added, another stopped", func(random *rand.Rand) {
			w := pick(random)
			r.workers = append(r.workers, r.start("worker"))
			time.Sleep(between(random, time.Second, 4*time.Second))
			w.stop()
			remove(w)
		}},
	}
}
