package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
	"colorstream/worker/store"
)

// The tests of this file run one fault each, as the worker and the generator are, and with one of
// their precautions left out: that has to be seen to fail, or the test proves nothing.

// TestClusterControls are the controls of TestClusterFaults.
func TestClusterControls(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	for _, control := range []struct {
		precaution string
		wrong      func(r *clusterRig, careful bool) int64 // how much is wrong afterwards
	}{
		{"WAIT", func(r *clusterRig, careful bool) int64 {
			return r.missingAfter(map[bool]string{true: "1", false: "0"}[careful], promote)
		}},
		{"no blind retry", twiceAfterLateAnswers},
		{"the owner's token", missingAfterLateCommit},
	} {
		for _, careful := range []bool{true, false} {
			t.Run(fmt.Sprint(control.precaution, ": ", careful), func(t *testing.T) {
				wantWrong(t, !careful, control.wrong(freshRig(t, c), careful))
			})
		}
	}
}

// wantWrong wants nothing to be wrong, or something, where a precaution is left out.
func wantWrong(t *testing.T, want bool, wrong int64) {
	t.Helper()
	t.Logf("%d are wrong", wrong)
	if !want && wrong > 0 {
		t.Errorf("%d are missing, or twice there", wrong)
	} else if want && wrong == 0 {
		t.Error("nothing is wrong without the precaution: the test sees nothing")
	}
}

// freshRig makes a rig with one partition on a cluster that it empties.
func freshRig(t *testing.T, c *redistest.Cluster) *clusterRig {
	t.Helper()
	c.WaitWhole()
	flush := func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() }
	if err := c.Client().ForEachMaster(t.Context(), flush); err != nil {
		t.Fatal(err)
	}
	return newClusterRig(t, c, influxtest.Shared(t).NewBucket(t), 1)
}

// promote cuts the link to a replica and promotes that.
func promote(r *clusterRig) {
	replica := r.cluster.Replicas("colors")[0]
	r.cluster.CutLink(replica)
	time.Sleep(time.Second)
	r.cluster.Promote(replica)
	r.cluster.MendLink(replica)
	r.cluster.WaitWhole()
}

// missingAfter returns how many acknowledged messages are not in the stream after a fault.
func (r *clusterRig) missingAfter(replicas string, strike func(*clusterRig)) int64 {
	r.t.Helper()
	generator := r.start("generator", "REDIS_REPLICAS="+replicas)
	r.waitMessages()
	strike(r)
	time.Sleep(time.Second)
	generator.stop()
	said := generator.said("stop")
	if replicas != "0" && said["unacknowledged"] != 0 {
		r.t.Errorf("%d messages are unacknowledged", said["unacknowledged"])
	}
	return max(0, said["published"]-r.contents(clusterWidth).messages)
}

func (r *clusterRig) waitMessages() {
	r.t.Helper()
	r.eventually("messages come", func() bool {
		return r.client.XLen(r.t.Context(), "colors").Val() > 50
	})
}

// twiceAfterLateAnswers lets messages be published, by the generator or blindly, while the link to
// the replica is cut for longer than WAIT waits. It returns how many batches are there twice.
func twiceAfterLateAnswers(r *clusterRig, careful bool) int64 {
	r.t.Helper()
	quit := make(chan struct{})
	var blind sync.WaitGroup
	stop := func() { close(quit); blind.Wait() }
	if careful {
		stop = r.start("generator").stop
	} else {
		blind.Go(func() { publishBlindly(r, quit) })
	}
	r.waitMessages()
	replica := r.cluster.Replicas("colors")[0]
	r.cluster.CutLink(replica)
	time.Sleep(2500 * time.Millisecond)
	r.cluster.MendLink(replica)
	r.cluster.WaitWhole()
	time.Sleep(500 * time.Millisecond)
	stop()
	return int64(len(r.contents(clusterWidth).problems))
}

// publishBlindly publishes as the generator does, but sends a batch again without looking for it.
func publishBlindly(r *clusterRig, quit <-chan struct{}) {
	for n := 1; ; n++ {
		for acknowledged := false; !acknowledged; {
			select {
			case <-quit:
				return
			case <-time.After(10 * time.Millisecond):
			}
			master, err := r.client.(*redis.ClusterClient).MasterForKey(r.t.Context(), "colors")
			if err != nil {
				r.t.Error(err)
				return
			}
			pipe := master.Pipeline()
			pipe.XAdd(r.t.Context(), &redis.XAddArgs{
				Stream: "colors",
				Values: []any{"n", fmt.Sprintf("blind:%d", n), "m", `{"color":"c0","value":1}`},
			})
			replicas := pipe.Do(r.t.Context(), "wait", 1, 1000)
			if _, err := pipe.Exec(r.t.Context()); err != nil {
				r.t.Error(err)
				return
			}
			got, _ := replicas.Int()
			acknowledged = got == 1
		}
	}
}

// missingAfterLateCommit lets a worker take the partition of an older owner, whose commit then
// comes late, when the stream is trimmed further, and another worker go on. It returns how many
// messages the points lack in the end.
func missingAfterLateCommit(r *clusterRig, careful bool) (missing int64) {
	r.t.Helper()
	ctx := r.t.Context()
	node := r.client.(*redis.ClusterClient).MasterForKey
	log := slog.New(slog.DiscardHandler)
	older := store.NewRedis(log, node, "colors", "older", 100*time.Millisecond, 1)
	if ok, err := older.Acquire(ctx); !ok || err != nil {
		r.t.Fatal(ok, err)
	}
	if _, err := older.Load(ctx); err != nil {
		r.t.Fatal(err)
	}
	generator, worker := r.start("generator"), r.start("worker")
	r.eventually("windows are written", func() bool { return len(r.points()) > 10 })
	// What any owner would have committed then.
	saved := r.client.HMGet(ctx, "colors:worker", "position", "state").Val()
	late := store.Commit{Position: fmt.Sprint(saved[0]), State: fmt.Append(nil, saved[1])}
	time.Sleep(time.Second)
	generator.stop()
	want := r.naive(r.contents(clusterWidth).values)
	r.waitCount(count(want))
	worker.kill()
	if err := r.client.XTrimMinID(ctx, "colors", late.Position).Err(); err != nil {
		r.t.Fatal(err)
	}
	if careful {
		if err := older.Commit(ctx, late); !errors.Is(err, store.ErrFenced) {
			r.t.Errorf("the older owner's commit says %v", err)
		}
	} else {
		fields := []any{"position", late.Position, "state", late.State}
		if err := r.client.HSet(ctx, "colors:worker", fields...).Err(); err != nil {
			r.t.Fatal(err)
		}
	}
	worker = r.worker()
	r.eventually("the next worker goes on",
		func() bool { return worker.metrics()["partition_owned"] == 1 })
	time.Sleep(4 * clusterWidth) // it ends all windows
	worker.stop()
	got := r.points()
	for key, p := range want {
		missing += p.Count - got[key].Count
	}
	return missing
}

// TestTornCommit kills Redis as it writes the last record of its append-only file, which ends at a
// random byte. What Redis acknowledges after that is there, even when it is started once more, if a
// script has written once, as all of ours do: see wantNoTransactions and package store's tests. Of
// one that writes twice the file can keep the beginning of a transaction, and Redis drops what
// follows.
func TestTornCommit(t *testing.T) {
	t.Parallel()
	const entries = 20
	const write = `redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])`
	for _, script := range []string{write, write + write} {
		lost := int64(0)
		for range times(3) {
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			client := server.Client()
			size := func() int64 {
				info, err := os.Stat(server.AppendOnlyFile())
				if err != nil {
					t.Fatal(err)
				}
				return info.Size()
			}
			add := func() {
				for range entries {
					entry := &redis.XAddArgs{Stream: "s", Values: []any{"m", "x"}}
					if err := client.XAdd(t.Context(), entry).Err(); err != nil {
						t.Fatal(err)
					}
				}
			}
			add()
			before := size()
			err := client.Eval(t.Context(), script, []string{"s:worker"}, "state", "a state").Err()
			if err != nil && !errors.Is(err, redis.Nil) {
				t.Fatal(err)
			}
			server.Kill()
			cut := before + 1 + rand.Int64N(size()-before-1)
			if err := os.Truncate(server.AppendOnlyFile(), cut); err != nil {
				t.Fatal(err)
			}
			server.Restart()
			add()
			server.Shutdown()
			server.Restart()
			lost += 2*entries - client.XLen(t.Context(), "s").Val()
		}
		wantWrong(t, script != write, lost)
	}
}
