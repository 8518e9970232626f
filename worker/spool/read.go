package spool

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
)

// A reader is the open file of the segment that is being read.
type reader struct {
	number   uint64
	file     File
	scanner  scanner
	failures int // in a row
}

// maxFailures is how often reading one place may fail before the rest of its segment is given up. A caller that
// waits longer from time to time so gives a disk some minutes to come back.
const maxFailures = 10

// An openError does not say that a segment is damaged: too many files may be open.
type openError struct{ error }

func (e openError) Unwrap() error { return e.error }

func (r *reader) close() {
	if r.file != nil {
		_ = r.file.Close() // it was only read
	}
	r.file, r.number = nil, 0
}

// Next returns the oldest record that was not delivered yet, and waits for one if need be. An error other than
// ctx's and ErrClosed concerns the disk: the same call, after a wait, may work. A place that stays unreadable is
// given up after ten errors.
func (s *Spool) Next(ctx context.Context) (Record, error) {
	for {
		rec, ok, err := s.TryNext()
		if ok || err != nil {
			return rec, err
		}
		select {
		case <-s.appended:
		case <-s.closed:
			return Record{}, ErrClosed
		case <-ctx.Done():
			return Record{}, context.Cause(ctx)
		}
	}
}

// TryNext is Next without waiting: it returns false if there is no record.
func (s *Spool) TryNext() (Record, bool, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	for !s.isClose {
		s.mu.Lock()
		seg := s.segmentFrom(s.read.Segment)
		if seg == nil {
			s.mu.Unlock()
			return Record{}, false, nil
		}
		if seg.number > s.read.Segment {
			s.read = ID{Segment: seg.number}
		}
		at := max(s.read.Offset, firstRecord)
		if at >= seg.end {
			if !seg.active {
				s.leave(seg)
			}
			waiting := seg.active
			s.mu.Unlock()
			if waiting {
				return Record{}, false, nil
			}
			s.release()
			continue
		}
		s.mu.Unlock()
		rec, ok, err := s.readRecord(seg, at)
		if err != nil && !s.giveUp(seg, err) {
			return Record{}, false, err
		}
		if ok {
			return rec, true, nil
		}
	}
	return Record{}, false, ErrClosed
}

// leave moves the reader behind the segment. What was counted and not found does not exist. mu is held.
func (s *Spool) leave(seg *segment) {
	seg.records = seg.inflight
	s.read = ID{Segment: seg.number + 1}
	if len(s.inflight) == 0 {
		s.done = s.read
	}
}

// readRecord reads the record at or after offset at and moves the reader behind it, or behind damage.
func (s *Spool) readRecord(seg *segment, at int64) (Record, bool, error) {
	if err := s.open(seg); err != nil {
		return Record{}, false, openError{err}
	}
	s.mu.Lock()
	end := seg.end
	s.mu.Unlock()
	s.reader.scanner.limit = end
	h, offset, found, err := s.reader.scanner.find(at)
	if err != nil {
		return Record{}, false, err
	}
	next := min(offset+headerSize+h.length, end)
	var data []byte
	if found {
		if data, err = s.reader.scanner.data(h, offset); err != nil {
			return Record{}, false, err
		}
	} else {
		next = end
	}
	s.reader.failures = 0
	if offset > at || data == nil {
		s.damage(seg, at, offset, next, found && data == nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = ID{seg.number, next}
	if data == nil {
		return Record{}, false, nil
	}
	if len(s.inflight) == 0 {
		s.oldest = h.at
	}
	id := ID{seg.number, offset}
	d := delivered{id: id, next: s.read, at: h.at}
	if s.segmentFrom(seg.number) == seg {
		seg.inflight++
	} else {
		d.dropped = true // while it was being read
	}
	s.inflight = append(s.inflight, d)
	return Record{ID: id, Data: data, AppendedAt: unixNano(h.at)}, true, nil
}

// damage counts what could not be read between from and next: a stretch without a right header up to offset, and
// the record there if its data is wrong. Going over it again after Rewind counts nothing.
func (s *Spool) damage(seg *segment, from, offset, next int64, record bool) {
	s.mu.Lock()
	seg.damaged = true
	again := from < seg.checked
	if !again {
		seg.checked = next
		if offset > from {
			s.stats.Damaged++
		}
		if record {
			s.stats.Damaged++
			seg.records--
		}
	}
	s.mu.Unlock()
	if !again {
		s.warn("the spool skips a damaged record", "segment", s.name(seg), "offset", from, "bytes", next-from)
	}
}

// open makes the reader's file that of seg.
func (s *Spool) open(seg *segment) error {
	if s.reader.file != nil && s.reader.number == seg.number {
		return nil
	}
	s.reader.close()
	return s.locate(seg, func(path string) error {
		file, err := s.fs.OpenFile(path, os.O_RDONLY)
		if err != nil {
			return err
		}
		size, err := file.Size()
		if err != nil {
			_ = file.Close()
			return err
		}
		s.mu.Lock()
		if seg.end == unknownEnd {
			seg.end, seg.size = size, size
		}
		s.mu.Unlock()
		s.reader = reader{
			number: seg.number, file: file, failures: s.reader.failures,
			scanner: scanner{file: file, window: s.reader.scanner.window[:0]},
		}
		return nil
	})
}

// giveUp tells whether the rest of a segment that cannot be read is to be skipped.
func (s *Spool) giveUp(seg *segment, err error) bool {
	s.reader.close()
	s.mu.Lock()
	listed := s.segmentFrom(seg.number) == seg
	s.mu.Unlock()
	if !listed {
		return true // dropped while it was being read
	}
	_, opening := errors.AsType[openError](err)
	gone := errors.Is(err, fs.ErrNotExist)
	if !opening || errors.Is(err, fs.ErrPermission) {
		s.reader.failures++
	}
	if !gone && s.reader.failures < maxFailures {
		return false
	}
	s.reader.failures = 0
	s.mu.Lock()
	lost := seg.records - seg.inflight
	s.stats.Damaged++
	seg.damaged = !gone
	s.leave(seg)
	s.mu.Unlock()
	s.log.Error("the spool cannot read the rest of a segment and skips it",
		"segment", s.name(seg), "records", lost, "error", err)
	return true
}

// Done forgets the record and all that were delivered before it.
func (s *Spool) Done(id ID) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if s.isClose {
		return
	}
	s.mu.Lock()
	n := 0
	for ; n < len(s.inflight) && s.inflight[n].id.compare(id) <= 0; n++ {
		d := s.inflight[n]
		s.done, s.oldest = d.next, d.at
		if !d.dropped {
			seg := s.segmentFrom(d.id.Segment)
			seg.records--
			seg.inflight--
		}
	}
	s.inflight = slices.Delete(s.inflight, 0, n)
	if len(s.inflight) == 0 {
		s.done = s.read
	} else {
		s.oldest = s.inflight[0].at
	}
	done := s.done
	s.mu.Unlock()
	if n == 0 {
		return
	}
	if err := s.cursor.set(done); err != nil {
		s.warn("the spool cannot note how far it is; records may be sent again", "error", err)
	}
	s.release()
}

// Rewind lets all records that are not done be delivered again.
func (s *Spool) Rewind() {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.inflight {
		if d.dropped {
			s.stats.Dropped++
		} else {
			s.segmentFrom(d.id.Segment).inflight--
		}
	}
	s.inflight = s.inflight[:0]
	s.read = s.done
}

// release removes the segments that are done. readMu is held.
func (s *Spool) release() {
	s.mu.Lock()
	n := 0
	for n < len(s.segments) && !s.segments[n].active && s.done.compare(ID{s.segments[n].number, s.segments[n].end}) >= 0 {
		n++
	}
	gone := slices.Clone(s.segments[:n])
	s.segments = slices.Delete(s.segments, 0, n)
	done, held := s.done, len(s.garbage) > 0
	s.mu.Unlock()
	if n == 0 && !held {
		return
	}
	// Once a file is gone the cursor must not point before it: should the file before it still be there, or be there
	// again after a power failure, old records would be delivered without the newer ones that replaced them.
	err := s.cursor.sync()
	if err != nil {
		err = errors.Join(s.cursor.set(done), s.cursor.sync())
	}
	if err != nil {
		s.mu.Lock()
		s.hold(gone)
		s.garbage = append(s.garbage, gone...)
		s.mu.Unlock()
		s.warn("the spool cannot note how far it is; records may be sent again", "error", err)
		return
	}
	s.mu.Lock()
	for _, seg := range s.garbage {
		seg.held = false
	}
	s.mu.Unlock()
	for _, seg := range gone {
		if seg.number == s.reader.number {
			s.reader.close() // a removed file takes space as long as it is open
		}
	}
	s.discard(gone...)
}
