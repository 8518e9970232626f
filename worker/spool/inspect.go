package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Listing describes a segment file.
type Listing struct {
	File  string `json:"file"`
	State string `json:"state"`
	Bytes int64  `json:"bytes"`
	// Waiting records are not done; only open and sealed segments have any. Done ones are.
	Waiting int `json:"waiting"`
	Done    int `json:"done"`
	// WaitingBytes is their data, without headers.
	WaitingBytes int64 `json:"waiting_bytes"`
	// Oldest and Newest tell when the first and the last waiting record were appended.
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`
	// Torn bytes are at the end, from an append that is not complete. They are no damage.
	Torn   int64    `json:"torn"`
	Damage []Damage `json:"damage,omitempty"`
}

// Damage is a place in a segment that cannot be read.
type Damage struct {
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	What   string `json:"what"`
}

// Inspect reads all segments in dir, whether or not a Spool is open there, and changes nothing. It calls visit, if
// that is not nil, for each waiting record in order, and returns its error. What a running worker does meanwhile may
// be seen or not.
func Inspect(fsys FS, dir string, visit func(file string, record Record) error) ([]Listing, error) {
	done, err := readCursor(fsys, dir)
	if err != nil {
		done = ID{} // as at Open
	}
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("WORKER_SPOOL_DIR=%q: %w", dir, err)
	}
	var list []Listing
	for _, entry := range entries { // sorted by name, so by number
		number, state, ok := parseName(entry.Name())
		if !ok || number >= maxNumber || !entry.Type().IsRegular() {
			continue
		}
		from := firstRecord
		if state == stateDamaged || done.Segment > number {
			from = 1 << 62
		} else if done.Segment == number {
			from = max(from, done.Offset)
		}
		l, err := inspect(fsys, dir, number, state, from, visit)
		if errors.Is(err, fs.ErrNotExist) {
			continue // done meanwhile
		} else if err != nil {
			return list, err
		}
		list = append(list, l)
	}
	return list, nil
}

// inspect describes one segment; its records are waiting from offset from on.
func inspect(fsys FS, dir string, number uint64, state string, from int64, visit func(string, Record) error) (Listing, error) {
	l := Listing{File: segmentName(number, state), State: state}
	file, err := fsys.OpenFile(filepath.Join(dir, l.File), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) && state == stateOpen { // sealed meanwhile
		l.File, l.State = segmentName(number, stateSealed), stateSealed
		file, err = fsys.OpenFile(filepath.Join(dir, l.File), os.O_RDONLY)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return l, err
	}
	unreadable := func(offset int64, err error) (Listing, error) {
		l.Damage = append(l.Damage, Damage{offset, l.Bytes - offset, err.Error()})
		return l, nil
	}
	if err != nil {
		return unreadable(0, err)
	}
	defer file.Close()
	if l.Bytes, err = file.Size(); err != nil {
		return unreadable(0, err)
	}
	sc := scanner{file: file, limit: l.Bytes}
	if magic, err := sc.view(0, len(segmentMagic)); err == nil && len(magic) > 0 && string(magic) != segmentMagic {
		l.Damage = append(l.Damage, Damage{0, firstRecord, "not the beginning of a segment"})
	}
	for offset := firstRecord; offset < l.Bytes; {
		h, at, found, err := sc.find(offset)
		if err != nil {
			return unreadable(offset, err)
		}
		next := at + headerSize + h.length
		if !found || next > l.Bytes {
			torn, err := sc.isTorn(offset, found && at == offset)
			if err != nil {
				return unreadable(offset, err)
			}
			if torn && state == stateOpen {
				l.Torn = l.Bytes - offset
			} else {
				l.Damage = append(l.Damage, Damage{offset, l.Bytes - offset, "no record to the end of the file"})
			}
			return l, nil
		}
		if at > offset {
			l.Damage = append(l.Damage, Damage{offset, at - offset, "not a record"})
		}
		data, err := sc.data(h, at)
		if err != nil {
			return unreadable(at, err)
		}
		offset = next
		switch {
		case data == nil:
			l.Damage = append(l.Damage, Damage{at, next - at, "a record whose checksum is wrong"})
			continue
		case at < from:
			l.Done++
			continue
		}
		l.Newest = time.Unix(0, h.at).UTC()
		if l.Waiting == 0 {
			l.Oldest = l.Newest
		}
		l.Waiting++
		l.WaitingBytes += h.length
		if visit != nil {
			if err := visit(l.File, Record{ID{number, at}, data, l.Newest}); err != nil {
				return l, err
			}
		}
	}
	return l, nil
}
