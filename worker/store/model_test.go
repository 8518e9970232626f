package store

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colorstream/generator/redistest"
)

// A model is the naive store.
type model struct {
	state, position string
	parts           map[int64]string // a window's parts, one after another
	queues          map[Queue][]string
}

func (m model) clone() model {
	queues := map[Queue][]string{}
	for q, batches := range m.queues {
		queues[q] = slices.Clone(batches)
	}
	return model{m.state, m.position, maps.Clone(m.parts), queues}
}

func (m *model) commit(c Commit) {
	m.state, m.position = string(c.State), c.Position
	maps.DeleteFunc(m.parts, func(start int64, _ string) bool {
		return c.Whole || !slices.Contains(c.Open, start)
	})
	for _, p := range c.Parts {
		m.parts[p.Window] += string(p.Data)
	}
	m.add(Lines, string(c.Lines))
	m.add(Letters, string(c.Letters))
}

func (m *model) add(q Queue, data string) {
	if data != "" {
		m.queues[q] = append(m.queues[q], data)
	}
}

// observe reads a whole store. Letters have no order that is promised.
func observe(t testing.TB, s Store) model {
	t.Helper()
	saved, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := model{string(saved.State), saved.Position, map[int64]string{}, map[Queue][]string{}}
	for _, p := range saved.Parts {
		m.parts[p.Window] += string(p.Data)
	}
	for _, q := range []Queue{Lines, Letters} {
		if texts, _ := data(t, s, q); len(texts) > 0 {
			m.queues[q] = texts
		}
	}
	return m
}

func difference(want, got model, hasParts bool) string {
	if hasParts {
		want.position = ""
	} else {
		want.parts, got.parts = nil, nil
	}
	flat := func(m model) map[string]any {
		letters := slices.Sorted(slices.Values(m.queues[Letters]))
		return map[string]any{
			"state": m.state, "position": m.position, "parts": fmt.Sprint(m.parts),
			"lines": strings.Join(m.queues[Lines], ""), "letters": strings.Join(letters, ""),
		}
	}
	return cmp.Diff(flat(want), flat(got))
}

// testModel compares a store with the model through random operations and crashes. Crash runs an
// operation, and then leaves what a crash in the middle of it might leave.
func testModel(
	t *testing.T, steps int, hasParts bool, open func() Store, crash func(*rand.Rand, func()),
) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	text := func(kind string, most int) []byte {
		return []byte(fmt.Sprintf("%s%x\n", kind, rng.Uint64())[:4] +
			strings.Repeat(kind, rng.IntN(most)) + "\n")
	}
	want := model{parts: map[int64]string{}, queues: map[Queue][]string{}}
	s := open()
	crashes, before := 0, 0
	for i := range steps {
		next := want.clone()
		var act func()
		switch n := rng.IntN(10); {
		case n < 6:
			c := Commit{State: text("s", 3000), Position: position(i + 1)}
			if rng.IntN(2) == 0 {
				c.Lines = text("l", 4000)
			}
			if rng.IntN(4) == 0 {
				c.Letters = text("x", 500)
			}
			for start := range int64(5) {
				if rng.IntN(8) > 0 {
					c.Open = append(c.Open, start)
				}
			}
			c.Whole = rng.IntN(10) == 0
			for w := range rng.Int64N(4) {
				if hasParts {
					c.Parts = append(c.Parts, Part{rng.Int64N(2)*2 + w, text("p", 6000)})
				}
			}
			slices.SortFunc(c.Parts, func(a, b Part) int { return int(a.Window - b.Window) })
			c.Parts = slices.CompactFunc(c.Parts, func(a, b Part) bool { return a.Window == b.Window })
			next.commit(c)
			act = func() { commit(t, s, c) }
		case n < 9:
			q := []Queue{Lines, Lines, Letters}[rng.IntN(3)]
			texts, ids := data(t, s, q)
			ids = ids[:rng.IntN(len(ids)+1)]
			var letters string
			if q == Lines && len(ids) > 0 && rng.IntN(3) == 0 {
				letters = "rejected " + texts[0] // the same when it is repeated
			}
			for _, gone := range texts[:len(ids)] {
				i := slices.Index(next.queues[q], gone)
				next.queues[q] = slices.Delete(next.queues[q], i, i+1)
			}
			if !slices.Contains(next.queues[Letters], letters) {
				next.add(Letters, letters)
			}
			act = func() { remove(t, s, q, ids, letters) }
		default:
			act = func() {}
		}
		if rng.IntN(5) > 0 {
			act()
			want = next
			continue
		}
		crashes++
		crash(rng, act)
		s = open()
		if s.Stats().Damaged > 0 {
			t.Fatal("a crash leaves a damaged file")
		}
		got := observe(t, s)
		// Redis saves letters before it removes the lines.
		between := want.clone()
		between.queues[Letters] = next.queues[Letters]
		switch {
		case difference(next, got, hasParts) == "":
			want = next
		case difference(want, got, hasParts) == "":
			before++
		case !hasParts && next.position == want.position && difference(between, got, hasParts) == "":
			want = between
		default:
			t.Fatalf("step %d: the store holds neither what was before:\n%s\nnor what should come after:\n%s",
				i, difference(want, got, hasParts), difference(next, got, hasParts))
		}
	}
	if diff := difference(want, observe(t, s), hasParts); diff != "" {
		t.Fatal(diff)
	}
	t.Logf("%d steps, %d crashes, %d of them undid what was on its way", steps, crashes, before)
}

// TestBoltModel crashes by power failure: of what a transaction wrote, any sectors are there,
// unless it has got to its last page, of bbolt's meta pages, which it writes after all others are
// safe.
func TestBoltModel(t *testing.T) {
	path := filepath.Join(fastDir(t), "worker.db")
	var b *Bolt
	read := func() []byte {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	steps := 1500
	if testing.Short() {
		steps = 200
	}
	testModel(t, steps, true, func() Store {
		if b != nil {
			_ = b.Close()
		}
		b = openTestBolt(t, filepath.Dir(path), 1<<30)
		return b
	}, func(rng *rand.Rand, act func()) {
		old := read()
		act()
		file := read()
		_ = b.Close()
		if rng.IntN(3) > 0 {
			file = append(file[:min(len(file), len(old))], make([]byte, max(0, len(file)-len(old)))...)
			const sector = 512
			for at := 0; at+sector <= len(file); at += sector {
				if at < 2*pageSize || at < len(old) && rng.IntN(2) == 0 {
					copy(file[at:at+sector], old[at:])
				}
			}
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRedisModel kills Redis, and cuts what it wrote last at any byte.
func TestRedisModel(t *testing.T) {
	dir := fastDir(t)
	server := redistest.Start(t, "--dir", dir, "--appendonly", "yes", "--appendfsync", "always")
	client := server.Client()
	file := func() (string, int64) {
		names, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		info, err := os.Stat(names[0])
		if err != nil {
			t.Fatal(err)
		}
		return names[0], info.Size()
	}
	steps := 400
	if testing.Short() {
		steps = 60
	}
	testModel(t, steps, false, func() Store {
		return openTestRedis(t, client, "s")
	}, func(rng *rand.Rand, act func()) {
		_, from := file()
		act()
		server.Kill()
		name, to := file()
		if err := os.Truncate(name, from+rng.Int64N(to-from+1)); err != nil {
			t.Fatal(err)
		}
		server.Restart()
	})
	name, _ := file()
	if text, err := os.ReadFile(name); err != nil ||
		bytes.Contains(bytes.ToUpper(text), []byte("\r\nMULTI\r\n")) {
		t.Errorf("the file holds a transaction, %v", err)
	}
}
