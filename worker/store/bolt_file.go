package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	errDamaged = errors.New("the file is damaged")
	errRemoved = fmt.Errorf("%w: it was removed or replaced", errDamaged)
)

// guard makes errors of bbolt's panics and of reading a file beyond its end: it meets them on a
// damaged file.
func guard(act func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return act()
}

// open opens and checks the file, or begins one.
func (b *Bolt) open() error {
	var err error
	if b.db, b.file, err = openBolt(b.path); err != nil {
		return err
	}
	if err := b.check(); err != nil {
		return err
	}
	return b.update(func(*transaction) error { return nil })
}

// openBolt opens and locks a file.
func openBolt(path string) (db *bolt.DB, file *os.File, err error) {
	err = guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout: time.Second, FreelistType: bolt.FreelistMapType, PageSize: pageSize,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				file, err = os.OpenFile(name, flag, mode)
				return file, err
			},
		})
		return err
	})
	if err == nil {
		return db, file, syncDir(filepath.Dir(path))
	}
	if file != nil {
		unlock(file)
	}
	var system *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		err = ErrLocked
	case errors.As(err, &system), errors.Is(err, errDamaged):
	default:
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil, nil, err
}

// check reads the whole file: each value's checksum, and whether all are there. The last
// commit's number is known then.
func (b *Bolt) check() error {
	return guard(func() error {
		return b.db.View(func(tx *bolt.Tx) error {
			if info, err := b.file.Stat(); err != nil {
				return err
			} else if info.Size() < tx.Size() {
				return fmt.Errorf("%w: it is cut off", errDamaged)
			}
			if first, _ := tx.Cursor().First(); first == nil {
				return nil // a new file
			}
			if tx.Bucket([]byte(meta)) == nil {
				return fmt.Errorf("%w: bucket %s is missing", errDamaged, meta)
			}
			t, err := begin(tx, b.most)
			if err != nil {
				return err
			}
			found := head{Version: version, Last: t.head.Last}
			err = each(tx, func(bucket string, _, value []byte) error {
				found.count(bucket, value, +1)
				return nil
			})
			if err == nil && found != t.head {
				err = fmt.Errorf("%w: values are missing", errDamaged)
			}
			b.last = max(b.last, t.head.Last)
			return err
		})
	})
}

// inPlace reports whether the file that is open is the one at its path.
func (b *Bolt) inPlace() bool {
	mine, err1 := b.file.Stat()
	there, err2 := os.Stat(b.path)
	return err1 == nil && err2 == nil && os.SameFile(mine, there)
}

// replace renames a damaged file, and begins a fresh one with the batches in the old one whose
// checksums are right. State and parts begin anew. It may be repeated after an error.
func (b *Bolt) replace() (err error) {
	if b.rescued == nil {
		moved := b.path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000Z")
		err := os.Rename(b.path, moved)
		if errors.Is(err, fs.ErrNotExist) {
			moved = ""
		} else if err != nil {
			return err
		}
		b.rescued = []record{}
		if errors.Is(b.damage, errRemoved) { // what is open is whole
			b.rescued = append(b.rescued, intact(b.db)...)
		}
		b.abandon()
		// opened anew, for locks may be held for ever
		if moved != "" && !errors.Is(b.damage, errRemoved) {
			if db, file, err := openBolt(moved); err == nil {
				b.rescued = append(b.rescued, intact(db)...)
				unlock(file)
			}
		}
		b.log.Error("the worker's file is unusable; a fresh one begins with the windows that are intact",
			"error", b.damage, "moved", moved, "batches", len(b.rescued))
		s := b.Stats()
		s.Damaged++
		b.stats.Store(&s)
	}
	b.abandon()
	if b.db, b.file, err = openBolt(b.path); err != nil {
		return err
	}
	for _, r := range b.rescued {
		b.last = max(b.last, number(r.key))
	}
	err = b.updateOnce(func(t *transaction) error {
		for _, r := range b.rescued {
			t.put(r.bucket, r.key, r.value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.damage, b.rescued, b.fresh = nil, nil, true
	return nil
}

// A record is a batch with its place.
type record struct {
	bucket     string
	key, value []byte
}

// intact returns the batches in a damaged file that can be read.
func intact(db *bolt.DB) (batches []record) {
	for _, q := range []Queue{Lines, Letters} {
		_ = guard(func() error {
			tx, err := db.Begin(false)
			if err != nil {
				return err
			}
			return tx.Bucket([]byte(q)).ForEach(func(k, sealed []byte) error {
				if value, err := unseal(string(q), k, sealed); err == nil {
					batches = append(batches, record{string(q), bytes.Clone(k), bytes.Clone(value)})
				}
				return nil
			})
		})
	}
	return batches
}

// close closes the file.
func (b *Bolt) close() error {
	if b.damage != nil {
		b.abandon()
	}
	db := b.db
	if b.db = nil; db == nil {
		return nil
	}
	return guard(db.Close)
}

// abandon closes a damaged file, not by bbolt: that may hold its locks for ever.
func (b *Bolt) abandon() {
	if b.db != nil {
		unlock(b.file)
	}
	b.db = nil
}

// unlock closes a file whose pages stay mapped, which would keep it locked.
func unlock(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
