package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// open opens the file, or begins one. A damaged one is replaced.
func (b *Bolt) open() error {
	if _, err := os.Stat(b.path); errors.Is(err, fs.ErrNotExist) {
		if err := b.replace(""); !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	f, err := lock(b.path)
	if err != nil {
		return err
	}
	b.file = f
	c, err := inspect(f, nil)
	b.head, b.opened, b.commits = c.head, c.head, c.head.Commits
	if err == nil {
		if b.db, err = openBolt(f); err == nil {
			return b.update(func(*transaction) error { return nil })
		}
	}
	if errors.Is(err, errDamaged) {
		b.damage = err
		err = b.replace("damaged")
		b.lost = false // Load tells
	}
	if err != nil {
		_ = f.Close()
	}
	return err
}

// lock opens a file and locks it, as long as it is open, against other workers.
func lock(path string) (*os.File, error) {
	for deadline := time.Now().Add(time.Second); ; time.Sleep(20 * time.Millisecond) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			mine, err1 := f.Stat()
			there, err2 := os.Stat(path)
			if err1 == nil && err2 == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		_ = f.Close()
		switch {
		case time.Now().Before(deadline):
		case err == nil || errors.Is(err, syscall.EWOULDBLOCK):
			return nil, ErrLocked
		default:
			return nil, fmt.Errorf("lock: %w", err)
		}
	}
}

// openBolt opens a locked file, which it closes after an error.
func openBolt(f *os.File) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = bolt.Open(f.Name(), 0o600, &bolt.Options{
			Timeout: time.Second, FreelistType: bolt.FreelistMapType, PageSize: pageSize,
			OpenFile: func(string, int, os.FileMode) (*os.File, error) { return f, nil },
		})
		return err
	})
	return db, err
}

// contents is what a file holds.
type contents struct {
	head  head
	found head // as counted
	state bool // it is there
	known bool // head is there
}

// whole reports whether state and parts are all there.
func (c *contents) whole() bool {
	return c.known && c.found.Parts == c.head.Parts && (c.state || c.head.Commits == 0)
}

// inspect reads a whole file, calls each, if not nil, with all that is intact but the head, and
// returns the first damage or each's error.
func inspect(f *os.File, each func(bucket string, key, value []byte) error) (contents, error) {
	var c contents
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	info, err := f.Stat()
	if err != nil {
		return c, err
	}
	err = walkPages(f, info.Size(), func(bucket string, key, sealed []byte) {
		value, err := unseal(bucket, key, sealed)
		if err != nil {
			note(err)
			return
		}
		switch bucket {
		case meta:
			if string(key) == "head" {
				err := c.head.decode(value)
				c.known = err == nil
				note(err)
				return
			}
			c.state = true
		case parts, string(Lines), string(Letters):
			if want := map[bool]int{true: 16, false: 8}[bucket == parts]; len(key) != want {
				note(fmt.Errorf("%w: bucket %q has key %x", errDamaged, bucket, key))
				return
			}
			c.found.count(bucket, sealed, +1)
		default:
			note(fmt.Errorf("%w: bucket %q is not ours", errDamaged, bucket))
			return
		}
		if each != nil {
			note(each(bucket, key, value))
		}
	})
	if err != nil {
		note(fmt.Errorf("%w: %w", errDamaged, err))
	}
	h := c.head
	h.Version, h.Commits, h.LastKey, h.Lines.Dropped, h.Letters.Dropped = 0, 0, 0, 0, 0
	if !c.whole() || c.found != h {
		note(fmt.Errorf("%w: values are missing", errDamaged))
	}
	return c, first
}

// replace puts a fresh file in the place of the one that is open, if any, with all that is intact
// in that. The old one is moved aside if kind is not empty.
func (b *Bolt) replace(kind string) (err error) {
	f, err := lock(b.path + ".new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := os.Stat(b.path); b.file == nil && err == nil {
		return fs.ErrExist // another worker was faster
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	db, err := openBolt(f)
	if err != nil {
		return err
	}
	whole, t, err := b.copyTo(db)
	if err != nil {
		return err
	}
	aside, err := b.moveAside(kind)
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), b.path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(b.path)); err != nil {
		b.log.Warn("the worker's folder cannot be synchronized", "error", err)
	}
	switch {
	case kind != "":
		b.lost = !whole
		b.statsMu.Lock()
		b.stats.Damaged++
		b.statsMu.Unlock()
		b.log.Error("the worker's file is unusable; a fresh one begins with what is intact in it",
			"error", b.damage, "moved", aside, "state_lost", b.lost,
			"batches", t.head.Lines.Batches, "points", t.head.Lines.Count,
			"points_lost", t.head.Lines.Dropped-b.head.Lines.Dropped)
		_ = b.file.Close() // not by bbolt, which may hold its locks for ever
	case b.db != nil:
		_ = guard(b.db.Close)
	}
	if !whole {
		b.commits = 0
	}
	b.file, b.db, b.damage = f, db, nil
	b.show(t)
	return nil
}

// copyTo copies all that is intact in the file that is open. It reports whether state and parts
// are, and returns the transaction that ended it.
func (b *Bolt) copyTo(db *bolt.DB) (whole bool, t *transaction, err error) {
	type record struct {
		bucket     string
		key, value []byte
	}
	var records []record
	size := 0
	flush := func(end func()) error {
		return guard(func() error {
			return db.Update(func(tx *bolt.Tx) error {
				if t, err = begin(tx, b.most); err != nil {
					return err
				}
				for _, r := range records {
					t.put(r.bucket, r.key, r.value)
				}
				end()
				records, size = nil, 0
				return t.saveHead()
			})
		})
	}
	old := b.head
	if b.file != nil {
		c, err := inspect(b.file, nil)
		if err != nil && !errors.Is(err, errDamaged) {
			return false, nil, err
		}
		if c.known {
			old = c.head
		}
		// The file may have fallen back to an older commit.
		whole = c.whole() && c.head.Commits >= b.commits
		_, err = inspect(b.file, func(bucket string, key, value []byte) error {
			if (bucket == meta || bucket == parts) && !whole {
				return nil
			}
			records = append(records, record{bucket, key, value})
			if size += len(value); size < 16<<20 {
				return nil
			}
			return flush(func() {})
		})
		if err != nil && !errors.Is(err, errDamaged) {
			return false, nil, err
		}
	}
	err = flush(func() {
		if whole {
			t.head.Commits = old.Commits
		}
		t.head.LastKey = max(old.LastKey, b.key, uint64(time.Now().UnixMicro()))
		for _, q := range []Queue{Lines, Letters} {
			was, is := old.queue(q), t.head.queue(q)
			is.Dropped = was.Dropped + was.Count - min(was.Count, is.Count) // what was lost
		}
	})
	return whole, t, err
}

// moveAside gives what is at the path another name, and returns that.
func (b *Bolt) moveAside(kind string) (string, error) {
	there, err := os.Stat(b.path)
	if kind == "" || err != nil {
		return "", nil
	}
	if !os.SameFile(there, b.info()) { // may another worker have begun it?
		f, err := lock(b.path)
		if err != nil {
			return "", err
		}
		defer f.Close()
	}
	aside := b.path + "." + kind + "-" + time.Now().UTC().Format("20060102T150405.000Z")
	if err := os.Link(b.path, aside); err == nil {
		return aside, nil // no moment without a file
	}
	return aside, os.Rename(b.path, aside)
}

// compact makes a file small that once was large, when it holds little.
func (b *Bolt) compact() {
	if s := b.Stats(); s.Batches+s.LetterBatches > 0 || b.db == nil || b.damage != nil {
		return
	}
	const most = 32 << 20
	size, free := b.info().Size(), int64(b.db.Stats().FreePageN)*pageSize
	if size < most || free < size*3/4 {
		return
	}
	if err := b.replace(""); err != nil {
		b.log.Warn("the worker's file cannot be made smaller", "bytes", size, "error", err)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
