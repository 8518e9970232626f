package spool

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
)

// memFS is a file system in memory that knows what a power failure would leave: what was fsynced, and any part of
// the rest. Each call can be made to fail.
type memFS struct {
	mu      sync.Mutex
	names   map[string]*memNode
	durable map[string]*memNode // as of the last SyncDir
	pending []func(map[string]*memNode)
	locked  bool
	dead    bool // after a crash nothing works
	// fault is asked before each call.
	fault func(op, name string) faultMode
	room  int // if not 0, the bytes that all files together may have
}

type faultMode int

const (
	works faultMode = iota
	fails
	failsButIsDone
	failsHalfDone // a write only
)

type memNode struct {
	data, durable []byte
	pending       []func([]byte) []byte
}

var (
	errFault = errors.New("a fault of the test")
	errDead  = errors.New("the machine is off")
)

func newMemFS() *memFS {
	return &memFS{names: map[string]*memNode{}, durable: map[string]*memNode{}}
}

// call runs do unless a fault says otherwise.
func (m *memFS) call(op, name string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	mode := works
	if m.fault != nil {
		mode = m.fault(op, filepath.Base(name))
	}
	switch {
	case m.dead:
		return errDead
	case mode == fails || mode == failsHalfDone:
		return errFault
	}
	if err := do(); err != nil {
		return err
	}
	if mode == failsButIsDone {
		return errFault
	}
	return nil
}

func (m *memFS) rename(op func(map[string]*memNode)) {
	op(m.names)
	m.pending = append(m.pending, op)
}

// crash returns what is there after a power failure.
func (m *memFS) crash(rng *rand.Rand) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	after := newMemFS()
	names := maps.Clone(m.durable)
	for _, op := range m.pending {
		if rng.IntN(2) == 0 {
			op(names)
		}
	}
	for name, node := range names {
		data := slices.Clone(node.durable)
		for _, change := range node.pending {
			if rng.IntN(2) == 0 {
				data = change(data)
			}
		}
		if len(data) > len(node.durable) && rng.IntN(3) == 0 { // written in part
			data = data[:len(node.durable)+rng.IntN(len(data)-len(node.durable))]
		}
		after.names[name] = &memNode{data: data, durable: slices.Clone(data)}
	}
	after.durable = maps.Clone(after.names)
	return after
}

func (m *memFS) MkdirAll(dir string) error { return m.call("mkdir", dir, func() error { return nil }) }

func (m *memFS) ReadDir(dir string) (entries []fs.DirEntry, err error) {
	err = m.call("readdir", dir, func() error {
		files := fstest.MapFS{}
		for name := range m.names {
			files[filepath.Base(name)] = &fstest.MapFile{}
		}
		entries, err = files.ReadDir(".")
		return err
	})
	return entries, err
}

func (m *memFS) OpenFile(name string, flag int) (file File, err error) {
	err = m.call("open", name, func() error {
		node := m.names[name]
		switch {
		case node != nil && flag&os.O_EXCL != 0:
			return fs.ErrExist
		case node == nil && flag&os.O_CREATE == 0:
			return fs.ErrNotExist
		case node == nil:
			node = &memNode{}
			m.rename(func(names map[string]*memNode) { names[name] = node })
		}
		file = &memFile{fs: m, node: node, name: name}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (m *memFS) Rename(from, to string) error {
	return m.call("rename", from, func() error {
		node := m.names[from]
		if node == nil {
			return fs.ErrNotExist
		}
		m.rename(func(names map[string]*memNode) {
			delete(names, from)
			names[to] = node
		})
		return nil
	})
}

func (m *memFS) Remove(name string) error {
	return m.call("remove", name, func() error {
		if m.names[name] == nil {
			return fs.ErrNotExist
		}
		m.rename(func(names map[string]*memNode) { delete(names, name) })
		return nil
	})
}

func (m *memFS) SyncDir(dir string) error {
	return m.call("syncdir", dir, func() error {
		m.durable, m.pending = maps.Clone(m.names), nil
		return nil
	})
}

func (m *memFS) Lock(name string) (io.Closer, error) {
	err := m.call("lock", name, func() error {
		if m.locked {
			return ErrLocked
		}
		m.locked = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return unlocker{m}, nil
}

type unlocker struct{ m *memFS }

func (u unlocker) Close() error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	u.m.locked = false
	return nil
}

type memFile struct {
	fs   *memFS
	node *memNode
	name string
}

func (f *memFile) Close() error { return nil }

func (f *memFile) ReadAt(b []byte, off int64) (n int, err error) {
	err = f.fs.call("read", f.name, func() error {
		if off < int64(len(f.node.data)) {
			n = copy(b, f.node.data[off:])
		}
		return nil
	})
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (f *memFile) change(c func([]byte) []byte) {
	f.node.data = c(f.node.data)
	f.node.pending = append(f.node.pending, c)
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	b = slices.Clone(b)
	put := func(b []byte) func([]byte) []byte {
		return func(data []byte) []byte {
			end := int(off) + len(b)
			grown := append(slices.Clone(data), make([]byte, max(0, end-len(data)))...)
			copy(grown[off:], b)
			return grown
		}
	}
	half := false
	err := f.fs.call("write", f.name, func() error {
		total := max(0, int(off)+len(b)-len(f.node.data))
		for _, node := range f.fs.names {
			total += len(node.data)
		}
		if f.fs.room > 0 && total > f.fs.room {
			return syscall.ENOSPC
		}
		f.change(put(b))
		return nil
	})
	if errors.Is(err, errFault) && f.fs.fault != nil {
		half = f.fs.fault("half", f.name) == failsHalfDone
	}
	if half {
		f.fs.mu.Lock()
		f.change(put(b[:len(b)/2]))
		f.fs.mu.Unlock()
		return len(b) / 2, err
	}
	return len(b), err
}

func (f *memFile) Truncate(size int64) error {
	return f.fs.call("truncate", f.name, func() error {
		f.change(func(data []byte) []byte { return slices.Clone(data[:min(int(size), len(data))]) })
		return nil
	})
}

func (f *memFile) Sync() error {
	return f.fs.call("fsync", f.name, func() error {
		f.node.durable, f.node.pending = slices.Clone(f.node.data), nil
		return nil
	})
}

func (f *memFile) Size() (size int64, err error) {
	err = f.fs.call("stat", f.name, func() error {
		size = int64(len(f.node.data))
		return nil
	})
	return size, err
}

// The file system in memory must behave as the real one does.
func TestFileSystems(t *testing.T) {
	t.Parallel()
	for name, fsys := range map[string]FS{"os": OS{}, "memory": newMemFS()} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a")
			if err := fsys.MkdirAll(dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "f")
			if _, err := fsys.OpenFile(path, os.O_RDONLY); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open what is not there: %v", err)
			}
			f, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL); !errors.Is(err, fs.ErrExist) {
				t.Errorf("make what is there: %v", err)
			}
			if _, err := f.WriteAt([]byte("hello"), 2); err != nil {
				t.Error(err)
			}
			if err := errors.Join(f.Truncate(4), f.Sync(), fsys.SyncDir(dir)); err != nil {
				t.Error(err)
			}
			b := make([]byte, 9)
			if n, err := f.ReadAt(b, 0); n != 4 || !errors.Is(err, io.EOF) || string(b[:4]) != "\x00\x00he" {
				t.Errorf("read %q, %v", b[:n], err)
			}
			if size, err := f.Size(); size != 4 || err != nil {
				t.Errorf("size %d, %v", size, err)
			}
			if err := errors.Join(f.Close(), fsys.Rename(path, path+"2")); err != nil {
				t.Error(err)
			}
			entries, err := fsys.ReadDir(dir)
			if err != nil || len(entries) != 1 || entries[0].Name() != "f2" || !entries[0].Type().IsRegular() {
				t.Errorf("list: %v, %v", entries, err)
			}
			if err := fsys.Remove(path + "2"); err != nil {
				t.Error(err)
			}
			if err := fsys.Remove(path + "2"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("remove what is not there: %v", err)
			}
			lock, err := fsys.Lock(filepath.Join(dir, "lock"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fsys.Lock(filepath.Join(dir, "lock")); !errors.Is(err, ErrLocked) {
				t.Errorf("lock twice: %v", err)
			}
			if err := lock.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
