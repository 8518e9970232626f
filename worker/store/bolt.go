package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// Bolt is a Store in one local file; package doc describes it.
type Bolt struct {
	log  *slog.Logger
	path string
	most map[Queue]uint64 // bytes; past it the oldest batches are dropped
	signals

	mu      sync.Mutex // for all below; held during each call
	file    *os.File
	db      *bolt.DB
	damage  error  // what was found wrong with the file; it is to be replaced
	lost    bool   // state and parts, by damage; the next Commit returns ErrFresh
	head    head   // as last read or saved
	commits uint64 // that did not fail; a repeated one has the number and key of the failed one
	key     uint64 // of the batches of a commit that failed; 0 if none did
	full    bool   // lines were dropped, and said so

	statsMu sync.Mutex
	stats   Stats
	opened  head // what was in the file at the start
}

// NewBolt opens worker.db in a folder, which is made if it is missing. The lines in it take at most
// maxBytes, the letters a sixteenth of that. The error is ErrLocked if another worker uses the
// folder.
func NewBolt(log *slog.Logger, dir string, maxBytes int64) (*Bolt, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the worker's folder: %w", err)
	}
	b := &Bolt{
		log: log, path: filepath.Join(dir, "worker.db"), signals: newSignals(),
		most: map[Queue]uint64{Lines: uint64(maxBytes), Letters: uint64(maxBytes) / 16},
	}
	if err := b.open(); err != nil {
		return nil, fmt.Errorf("open %s: %w", b.path, err)
	}
	b.send(Lines)
	b.send(Letters)
	return b, nil
}

// Load returns what the last commit saved.
func (b *Bolt) Load(context.Context) (Saved, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s Saved
	err := b.retry(func() error {
		s = Saved{}
		_, err := inspect(b.file, func(bucket string, key, value []byte) error {
			switch {
			case bucket == parts:
				window := int64(binary.BigEndian.Uint64(key) ^ 1<<63)
				s.Parts = append(s.Parts, Part{Window: window, Data: value})
			case string(key) == "state":
				s.State = value
			}
			return nil
		})
		return err
	})
	b.lost = false
	if err != nil {
		return Saved{}, fmt.Errorf("load %s: %w", b.path, err)
	}
	return s, nil
}

// Commit saves all of c or nothing.
func (b *Bolt) Commit(_ context.Context, c Commit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.db != nil && b.damage == nil {
		// A commit to a file that was removed would succeed.
		if now, err := os.Stat(b.path); err != nil || !os.SameFile(now, b.info()) {
			b.damage = errors.Join(errRemoved, err)
		}
	}
	err := b.retry(func() error {
		if b.lost {
			b.lost = false
			return ErrFresh
		}
		return b.update(func(t *transaction) error {
			if b.key == 0 {
				b.key = t.nextKey()
			}
			t.head.Commits, t.head.LastKey = b.commits+1, max(t.head.LastKey, b.key)
			for _, start := range c.Drop {
				t.drop(start)
			}
			t.put(meta, []byte("state"), c.State)
			for _, p := range c.Parts {
				t.put(parts, partKey(p.Window, t.head.Commits), p.Data)
			}
			if len(c.Lines) > 0 {
				t.enqueue(Lines, b.key, c.Points, c.Lines)
			}
			if len(c.Letters) > 0 {
				t.enqueue(Letters, b.key, bytes.Count(c.Letters, []byte("\n")), c.Letters)
			}
			return t.err
		})
	})
	if err != nil {
		return fmt.Errorf("commit to %s: %w", b.path, err)
	}
	b.key, b.commits = 0, b.commits+1
	if len(c.Lines) > 0 {
		b.send(Lines)
	}
	if len(c.Letters) > 0 {
		b.send(Letters)
	}
	return nil
}

// Oldest returns the queue's oldest batches.
func (b *Bolt) Oldest(_ context.Context, q Queue) ([]Batch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batches []Batch
	err := b.retry(func() error {
		batches = nil
		size := 0
		return b.view(func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte(q)).Cursor()
			for k, sealed := c.First(); k != nil; k, sealed = c.Next() {
				value, err := unseal(string(q), k, sealed)
				if err != nil {
					return err
				}
				data := bytes.Clone(value[4:])
				if size += len(data); size > oldestBytes && len(batches) > 0 {
					return nil
				}
				batches = append(batches, Batch{ID: batchID(k, sealed), Data: data, At: keyTime(k)})
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read %s from %s: %w", q, b.path, err)
	}
	return batches, nil
}

// Remove removes batches, and saves the letters in the same transaction.
func (b *Bolt) Remove(_ context.Context, q Queue, ids []string, letters []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.retry(func() error {
		return b.update(func(t *transaction) error {
			removed := false
			for _, id := range ids {
				removed = t.dequeue(q, id) || removed
			}
			if removed && len(letters) > 0 { // else they are there since an earlier try
				t.head.LastKey = max(t.nextKey(), b.key+1)
				t.enqueue(Letters, t.head.LastKey, bytes.Count(letters, []byte("\n")), letters)
			}
			return t.err
		})
	})
	if err != nil {
		return fmt.Errorf("remove %s from %s: %w", q, b.path, err)
	}
	if len(letters) > 0 {
		b.send(Letters)
	}
	b.compact()
	return nil
}

// Stats returns what the store holds and counted.
func (b *Bolt) Stats() Stats {
	b.statsMu.Lock()
	defer b.statsMu.Unlock()
	return b.stats
}

// Close closes the file.
func (b *Bolt) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	db := b.db
	if b.db = nil; db == nil {
		return nil
	}
	if b.damage != nil {
		return b.file.Close() // bbolt may hold its locks for ever
	}
	return guard(db.Close)
}

// info describes the file that is open, nil if it cannot be asked.
func (b *Bolt) info() os.FileInfo {
	info, _ := b.file.Stat()
	return info
}

// retry runs an act on the file, replaces the file if it is damaged, and then tries again.
func (b *Bolt) retry(act func() error) error {
	for range 2 {
		switch {
		case b.db == nil:
			return os.ErrClosed
		case b.damage != nil:
			kind := "damaged"
			if errors.Is(b.damage, errRemoved) {
				kind = "replaced"
			}
			if err := b.replace(kind); err != nil {
				return errors.Join(b.damage, err)
			}
		}
		err := act()
		if !errors.Is(err, errDamaged) {
			return err
		}
		b.damage = err
	}
	return b.damage
}

func (b *Bolt) view(act func(*bolt.Tx) error) error {
	return guard(func() error { return b.db.View(act) })
}

// update runs act in a transaction, and saves the head with it.
func (b *Bolt) update(act func(*transaction) error) error {
	var t *transaction
	err := guard(func() error {
		return b.db.Update(func(tx *bolt.Tx) (err error) {
			if t, err = begin(tx, b.most); err != nil {
				return err
			}
			if err := act(t); err != nil {
				return err
			}
			return t.saveHead()
		})
	})
	if err == nil {
		b.show(t)
		if full := t.droppedPoints > 0; full && !b.full {
			b.full = true
			b.log.Error("the oldest windows are dropped: InfluxDB has not taken them",
				"points", t.droppedPoints, "bytes", t.head.Lines.Bytes, "most", b.most[Lines])
		} else if t.head.Lines.Bytes < b.most[Lines]/2 {
			b.full = false
		}
	}
	return err
}

// show brings Stats up to date with the file.
func (b *Bolt) show(t *transaction) {
	b.head = t.head
	b.statsMu.Lock()
	defer b.statsMu.Unlock()
	b.stats = Stats{
		Bytes: int64(t.head.Lines.Bytes + t.head.Letters.Bytes), Oldest: t.oldest,
		Batches: int(t.head.Lines.Batches), LetterBatches: int(t.head.Letters.Batches),
		DroppedPoints:  t.head.Lines.Dropped - b.opened.Lines.Dropped,
		DroppedLetters: t.head.Letters.Dropped - b.opened.Letters.Dropped,
		Damaged:        b.stats.Damaged,
	}
}
