package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// pageSize is that of every file of ours, whatever the machine's is.
const pageSize = 4096

// bbolt's page types, and the mark of a nested bucket.
const (
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01
)

// A walk reads bbolt's pages without bbolt, which trusts them: on a damaged file it may recurse for
// ever, or take pages for free that are in use. It visits what is intact, and remembers the first
// damage.
//
// It reads format version 2, the only one there is: meta pages 0 and 1; then branch and leaf pages,
// a tree for each bucket; and one list of free pages. All numbers are in the machine's byte order.
type walk struct {
	file  io.ReaderAt
	high  uint64 // pages from here on are not in use
	seen  []bool // pages
	err   error
	visit func(bucket string, key, value []byte)
}

// walkPages calls visit for every intact value, in the order of the keys, and returns the first
// damage.
func walkPages(file io.ReaderAt, size int64, visit func(bucket string, key, value []byte)) error {
	w := &walk{file: file, visit: visit}
	var root, freelist, newest uint64
	found := false
	for i := range int64(2) {
		meta := make([]byte, 64)
		_, err := file.ReadAt(meta, i*pageSize+16)
		sum := fnv.New64a()
		sum.Write(meta[:56])
		u32, u64 := binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
		ours := u32(meta) == 0xED0CDAED && u32(meta[4:]) == 2 && u32(meta[8:]) == pageSize
		if err != nil || !ours || u64(meta[56:]) != sum.Sum64() {
			w.damaged("meta page %d is damaged", i)
			continue
		}
		if txid := u64(meta[48:]); !found || txid > newest {
			found, newest = true, txid
			root, freelist, w.high = u64(meta[16:]), u64(meta[32:]), u64(meta[40:])
		}
	}
	if !found {
		return w.err
	}
	if pages := uint64(size) / pageSize; w.high > pages {
		w.damaged("the file ends at page %d of %d", pages, w.high)
		w.high = pages
	}
	w.seen = make([]bool, w.high)
	copy(w.seen, []bool{true, true})
	w.page(root, nil, nil, func(key, value []byte, flags uint32) {
		if flags != bucketFlag || len(value) < 16 {
			w.damaged("%q is no bucket", key)
			return
		}
		each := func(k, v []byte, flags uint32) {
			if flags != 0 {
				w.damaged("%x in bucket %q is no value", k, key)
				return
			}
			w.visit(string(key), k, v)
		}
		if root := binary.NativeEndian.Uint64(value); root != 0 {
			w.page(root, nil, nil, each)
		} else {
			w.elements(0, value[16:], nil, nil, each)
		}
	})
	w.free(freelist)
	return w.err
}

func (w *walk) damaged(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// read returns a page and those that it overflows into, nil if it is damaged.
func (w *walk) read(id uint64) []byte {
	head := make([]byte, 16)
	if id >= w.high {
		w.damaged("page %d is beyond the end", id)
		return nil
	}
	if _, err := w.file.ReadAt(head, int64(id)*pageSize); err != nil {
		w.damaged("page %d: %w", id, err)
		return nil
	}
	n := 1 + uint64(binary.NativeEndian.Uint32(head[12:]))
	if got := binary.NativeEndian.Uint64(head); got != id || id+n > w.high {
		w.damaged("page %d says that it is %d, of %d pages", id, got, n)
		return nil
	}
	for i := range n {
		if w.seen[id+i] {
			w.damaged("page %d is used twice", id+i)
			return nil
		}
		w.seen[id+i] = true
	}
	page := make([]byte, n*pageSize)
	if _, err := w.file.ReadAt(page, int64(id)*pageSize); err != nil {
		w.damaged("page %d: %w", id, err)
		return nil
	}
	return page
}

// page visits a tree, whose keys are from low to before high; nil is no limit.
func (w *walk) page(id uint64, low, high []byte, each func(key, value []byte, flags uint32)) {
	if page := w.read(id); page != nil {
		w.elements(id, page, low, high, each)
	}
}

func (w *walk) elements(
	id uint64, page, low, high []byte, each func(key, value []byte, flags uint32),
) {
	if len(page) < 16 {
		w.damaged("page %d is cut off", id)
		return
	}
	u32 := binary.NativeEndian.Uint32
	kind := binary.NativeEndian.Uint16(page[8:])
	count := uint64(binary.NativeEndian.Uint16(page[10:]))
	first := 16 + 16*count
	empty := kind == branchPage && count == 0
	if kind != leafPage && kind != branchPage || first > uint64(len(page)) || empty {
		w.damaged("page %d is of type %#x with %d elements", id, kind, count)
		return
	}
	// key returns an element's key and where it ends.
	key := func(i uint64) ([]byte, uint64) {
		e := page[16+16*i:]
		pos, size := u32(e), u32(e[4:])
		if kind == leafPage {
			pos, size = u32(e[4:]), u32(e[8:])
		}
		from := 16 + 16*i + uint64(pos)
		to := from + uint64(size)
		if from < first || to > uint64(len(page)) {
			return nil, 0
		}
		return page[from:to], to
	}
	for i := range count {
		k, end := key(i)
		if end == 0 || bytes.Compare(k, low) < 0 || high != nil && bytes.Compare(k, high) >= 0 {
			w.damaged("key %d of page %d is damaged", i, id)
			continue
		}
		e := page[16+16*i:]
		if kind == branchPage {
			next := high
			if i+1 < count {
				if next, _ = key(i + 1); next == nil || bytes.Compare(k, next) >= 0 {
					w.damaged("key %d of page %d is damaged", i+1, id)
					next = high
				}
			}
			w.page(binary.NativeEndian.Uint64(e[8:]), k, next, each)
			continue
		}
		size := uint64(u32(e[12:]))
		if end+size > uint64(len(page)) {
			w.damaged("value %d of page %d is damaged", i, id)
			continue
		}
		low = append(bytes.Clone(k), 0) // the next key is greater
		each(k, page[end:end+size], u32(e))
	}
}

// free checks that no free page is in use.
func (w *walk) free(id uint64) {
	page := w.read(id)
	if page == nil {
		return
	}
	kind := binary.NativeEndian.Uint16(page[8:])
	count := uint64(binary.NativeEndian.Uint16(page[10:]))
	ids := page[16:]
	if count == 0xFFFF && len(ids) >= 8 {
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if kind != freelistPage || count > uint64(len(ids)/8) {
		w.damaged("page %d, of free pages, is damaged", id)
		return
	}
	for last := uint64(1); count > 0; count-- {
		free := binary.NativeEndian.Uint64(ids)
		if free <= last || free >= w.high || w.seen[free] {
			w.damaged("the list of free pages names page %d", free)
			return
		}
		last, ids = free, ids[8:]
	}
}
