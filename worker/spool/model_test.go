package spool

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// queue is what a reader and a writer need; a spool and a slice in memory must do the same.
type queue interface {
	Append(data []byte) error
	TryNext() (Record, bool, error)
	Done(id ID)
	Rewind()
	reopen()
	waiting() int64
}

type model struct {
	records []Record
	read    int
	next    int64
}

func (m *model) Append(data []byte) error {
	m.next++
	m.records = append(m.records, Record{ID: ID{Offset: m.next}, Data: data})
	return nil
}

func (m *model) TryNext() (Record, bool, error) {
	if m.read == len(m.records) {
		return Record{}, false, nil
	}
	m.read++
	return m.records[m.read-1], true, nil
}

func (m *model) Done(id ID) {
	for m.read > 0 && m.records[0].ID.compare(id) <= 0 {
		m.records, m.read = m.records[1:], m.read-1
	}
}

func (m *model) Rewind()        { m.read = 0 }
func (m *model) reopen()        { m.read = 0 }
func (m *model) waiting() int64 { return int64(len(m.records)) }

type onDisk struct {
	*Spool
	t      *testing.T
	fsys   FS
	dir    string
	change []func(*Config)
}

func (d *onDisk) reopen() {
	if d.Spool != nil {
		if err := d.Close(); err != nil {
			d.t.Error(err)
		}
	}
	d.Spool = openFS(d.t, d.fsys, d.dir, d.change...)
}
func (d *onDisk) waiting() int64 { return d.Stats().Records }

// Operations at random do the same to every implementation, on the real file system and in memory.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 3))
		size := func(c *Config) { c.SegmentBytes = int64(50 + rng.IntN(5000)) }
		queues := []queue{
			&model{},
			&onDisk{t: t, fsys: newMemFS(), dir: ".", change: []func(*Config){size}},
			&onDisk{t: t, fsys: OS{}, dir: t.TempDir(), change: []func(*Config){size}},
		}
		ids := make([][]ID, len(queues)) // delivered
		reopen := func() {
			for i, q := range queues {
				q.reopen()
				ids[i] = nil
			}
		}
		reopen()
		var trace strings.Builder
		for n := range 200 {
			switch op := rng.IntN(20); {
			case op < 8:
				data := strings.Repeat(fmt.Sprint(n), 1+rng.IntN(1+rng.IntN(500)))
				for _, q := range queues {
					if err := q.Append([]byte(data)); err != nil {
						t.Fatal(err)
					}
				}
				fmt.Fprintf(&trace, "append %d\n", len(data))
			case op < 15:
				var want string
				for i, q := range queues {
					rec, ok, err := q.TryNext()
					if err != nil {
						t.Fatal(err)
					}
					if got := fmt.Sprint(ok, string(rec.Data)); i == 0 {
						want = got
					} else if got != want {
						t.Fatalf("seed %d: queue %d gives %.40q, want %.40q after\n%s", seed, i, got, want, &trace)
					}
					if ok {
						ids[i] = append(ids[i], rec.ID)
					}
				}
				fmt.Fprintf(&trace, "next %.20s\n", want)
			case op < 18:
				if len(ids[0]) > 0 {
					k := rng.IntN(len(ids[0]))
					for i, q := range queues {
						q.Done(ids[i][k])
						ids[i] = ids[i][k+1:]
					}
					fmt.Fprintf(&trace, "done %d\n", k)
				}
			case op == 18:
				for i, q := range queues {
					q.Rewind()
					ids[i] = nil
				}
				trace.WriteString("rewind\n")
			default:
				reopen()
				trace.WriteString("reopen\n")
			}
			for i, q := range queues[1:] {
				if got, want := q.waiting(), queues[0].waiting(); got != want {
					t.Fatalf("seed %d: queue %d has %d records, want %d after\n%s", seed, i+1, got, want, &trace)
				}
			}
		}
	}
}

// One goroutine appends while another reads, through many small segments.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := openFS(t, newMemFS(), ".", small)
	const n = 3000
	go func() {
		for i := range n {
			if err := s.Append(fmt.Append(nil, i, " ", strings.Repeat("x", i%99))); err != nil {
				t.Error(err)
			}
			if i%100 == 0 {
				s.Stats()
			}
		}
	}()
	rewound := 0
	for want := 0; want < n; {
		rec, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := number(string(rec.Data)); got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
		want++
		switch {
		case want%7 == 3:
			s.Done(rec.ID)
		case want%7 == 5 && want > rewound:
			s.Rewind()
			want, rewound = want-2, want
		}
	}
}
