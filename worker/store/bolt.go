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
	"sync/atomic"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// Bolt is a Store in one local file; package doc describes it.
type Bolt struct {
	log  *slog.Logger
	path string
	most map[Queue]uint64 // bytes; past it the oldest batches are dropped
	signals

	mu      sync.Mutex // for all below; held during each call
	db      *bolt.DB
	file    *os.File
	damage  error // what was found wrong with the file; it is to be replaced
	rescued []record
	fresh   bool   // the file was replaced: the next Commit returns ErrFresh
	last    uint64 // number of the last commit that succeeded; a later one may be in the file
	full    bool   // lines were dropped, and said so

	stats atomic.Pointer[Stats] // it is never changed
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
	b.stats.Store(new(Stats))
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.open()
	if errors.Is(err, errDamaged) {
		b.damage = err
		err = b.retry(func() error { return nil })
		b.fresh = false // Load tells
	}
	if err != nil {
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
	err := b.view(func(tx *bolt.Tx) error {
		s = Saved{}
		return each(tx, func(bucket string, key, value []byte) error {
			switch {
			case bucket == parts:
				s.Parts = append(s.Parts, Part{Window: windowOf(key), Data: bytes.Clone(value)})
			case string(key) == state:
				s.State = bytes.Clone(value)
			}
			return nil
		})
	})
	b.fresh = false
	if err != nil {
		return Saved{}, fmt.Errorf("load %s: %w", b.path, err)
	}
	return s, nil
}

// Commit saves all of c or nothing.
func (b *Bolt) Commit(_ context.Context, c Commit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.damage == nil && b.db != nil && !b.inPlace() {
		b.damage = errRemoved // a commit to a file that was removed would succeed
	}
	// One that failed is repeated with its number, since it may be there.
	key := binary.BigEndian.AppendUint64(nil, b.last+1)
	err := b.update(func(t *transaction) error {
		if b.fresh {
			b.fresh = false
			return ErrFresh
		}
		t.head.Last = b.last + 1
		t.dropParts(c)
		t.put(meta, []byte(state), c.State)
		for _, p := range c.Parts {
			t.put(parts, append(windowKey(p.Window), key...), p.Data)
		}
		t.enqueue(Lines, key, c.Lines)
		t.enqueue(Letters, key, c.Letters)
		return nil
	})
	if err != nil {
		return fmt.Errorf("commit to %s: %w", b.path, err)
	}
	b.last++
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
	err := b.view(func(tx *bolt.Tx) error {
		batches = nil
		size := 0
		c := tx.Bucket([]byte(q)).Cursor()
		for k, sealed := c.First(); k != nil && number(k) <= b.last; k, sealed = c.Next() {
			value, err := unseal(string(q), k, sealed)
			if err != nil {
				return err
			}
			at, data := splitBatch(value)
			if size += len(data); size > oldestBytes && len(batches) > 0 {
				return nil
			}
			batches = append(batches, Batch{ID: string(k), Data: bytes.Clone(data), At: at})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s from %s: %w", q, b.path, err)
	}
	return batches, nil
}

// Remove removes batches, and saves the letters in the same transaction, under a key that a
// repetition uses again.
func (b *Bolt) Remove(_ context.Context, q Queue, ids []string, letters []byte) error {
	if len(ids) == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.update(func(t *transaction) error {
		for _, id := range ids {
			t.remove(string(q), []byte(id))
		}
		t.enqueue(Letters, append([]byte(ids[0]), 'i'), letters)
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove %s from %s: %w", q, b.path, err)
	}
	if len(letters) > 0 {
		b.send(Letters)
	}
	return nil
}

// Stats returns what the store holds and counted.
func (b *Bolt) Stats() Stats { return *b.stats.Load() }

// Close closes the file.
func (b *Bolt) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.close()
}

// retry runs an act on the file, replaces the file if it is damaged, and then tries again.
func (b *Bolt) retry(act func() error) error {
	for range 2 {
		if b.damage != nil {
			if err := b.replace(); err != nil {
				return errors.Join(b.damage, err)
			}
		}
		if b.db == nil {
			return os.ErrClosed
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
	return b.retry(func() error { return guard(func() error { return b.db.View(act) }) })
}

// update runs act in a transaction, and saves the head with it.
func (b *Bolt) update(act func(*transaction) error) error {
	return b.retry(func() error { return b.updateOnce(act) })
}

func (b *Bolt) updateOnce(act func(*transaction) error) error {
	var t *transaction
	err := guard(func() error {
		return b.db.Update(func(tx *bolt.Tx) (err error) {
			if t, err = begin(tx, b.most); err != nil {
				return err
			}
			if err := act(t); err != nil {
				return err
			}
			t.head.Last = max(t.head.Last, b.last)
			return t.end()
		})
	})
	switch {
	case err == nil:
		b.show(t)
	case errors.Is(err, syscall.EFBIG): // a page's number that is no page's
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

// show brings Stats up to date with the file.
func (b *Bolt) show(t *transaction) {
	lines, letters := t.head.Lines, t.head.Letters
	if full := t.dropped[Lines] > 0; full && !b.full {
		b.full = true
		b.log.Error("the oldest windows are dropped: InfluxDB has not taken them",
			"points", t.dropped[Lines], "bytes", lines.Bytes, "most", b.most[Lines])
	} else if lines.Bytes < b.most[Lines]/2 {
		b.full = false
	}
	s := b.Stats()
	s.Bytes, s.Oldest = int64(lines.Bytes+letters.Bytes), t.oldest
	s.Batches = int(lines.Batches)
	s.DroppedPoints += t.dropped[Lines]
	s.DroppedLetters += t.dropped[Letters]
	b.stats.Store(&s)
}
