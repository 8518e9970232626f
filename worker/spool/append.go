package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// A Class tells why a record was not accepted. It is fit for a metric's label.
type Class string

// The classes of an [AppendError]. After all but TooLarge the same record may be tried again.
const (
	Full     Class = "full"      // no space left, or a quota is used up
	ReadOnly Class = "read_only" // the file system or the folder cannot be written
	Failed   Class = "failed"    // the disk reported an error
	TooLarge Class = "too_large" // over MaxRecord, or over the spool's MaxBytes alone
)

// An AppendError says that a record was not accepted. What was accepted before is not touched.
type AppendError struct {
	Class Class
	Dir   string
	Err   error
}

func (e *AppendError) Error() string {
	what := "the disk failed"
	switch e.Class {
	case Full:
		what = "the disk is full"
	case ReadOnly:
		what = "the folder cannot be written"
	case TooLarge:
		what = "the record is too large"
	}
	return fmt.Sprintf("WORKER_SPOOL_DIR=%q: %s: %v", e.Dir, what, e.Err)
}

func (e *AppendError) Unwrap() error { return e.Err }

func classOf(err error) Class {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return Full
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return ReadOnly
	}
	return Failed
}

const (
	slowAppend = time.Second
	keepBuffer = 2 << 20 // a larger buffer is given back after the append
)

// Append adds a record, of 1 byte to MaxRecord, and returns nil when it is durable. Any other failure than ErrClosed
// is an [*AppendError].
func (s *Spool) Append(data []byte) error {
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	if s.isClose {
		return ErrClosed
	}
	if largest := min(MaxRecord, s.config.MaxBytes-firstRecord-headerSize); int64(len(data)) > largest {
		return &AppendError{TooLarge, s.config.Dir, fmt.Errorf("%d bytes, at most %d fit", len(data), largest)}
	} else if len(data) == 0 {
		return &AppendError{Failed, s.config.Dir, errors.New("an empty record")}
	}
	start := s.config.Now()
	if err := s.append(data, start); err != nil {
		return &AppendError{classOf(err), s.config.Dir, err}
	}
	if took := s.config.Now().Sub(start); took > slowAppend {
		s.warn("the disk is slow", "took", took, "WORKER_SPOOL_DIR", s.config.Dir)
	}
	s.wake()
	s.shrink()
	return nil
}

// wake makes a waiting reader look again.
func (s *Spool) wake() {
	select {
	case s.appended <- struct{}{}:
	default:
	}
}

func (s *Spool) append(data []byte, at time.Time) error {
	if s.active != nil && s.active.end > 0 && s.active.end+headerSize+int64(len(data)) > s.config.SegmentBytes {
		s.seal()
	}
	if s.active == nil {
		if err := s.create(); err != nil {
			return err
		}
	}
	seg, first := s.active, s.active.end == 0
	buf := s.buffer[:0]
	if first {
		buf = append(buf, segmentMagic...)
	}
	buf = appendRecord(buf, seg.end+int64(len(buf)), at, data)
	if s.buffer = buf; cap(buf) > keepBuffer {
		s.buffer = nil
	}
	if _, err := s.file.WriteAt(buf, seg.end); err != nil {
		// On a full disk a new segment next time lets this one go as soon as it is done.
		if cut := s.file.Truncate(seg.end); cut != nil || !first && classOf(err) == Full {
			s.abandon()
			s.wake()
		}
		return err
	}
	if err := s.file.Sync(); err != nil {
		_ = s.file.Truncate(seg.end) // if it works, less is repeated after a crash
		s.abandon()
		return err
	}
	if first { // the file's name must last too
		if err := s.fs.SyncDir(s.config.Dir); err != nil {
			s.abandon()
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first {
		seg.oldest, seg.checked = at.UnixNano(), firstRecord
		s.segments = append(s.segments, seg)
	}
	if s.pending() == 0 {
		s.oldest = at.UnixNano()
	}
	seg.end += int64(len(buf))
	seg.size = seg.end
	seg.records++
	s.stats.Appended++
	return nil
}

// create begins a segment. It is listed only once it has a record.
func (s *Spool) create() error {
	seg := &segment{number: s.next, state: stateOpen, active: true}
	s.next++
	path := s.path(seg.number, seg.state)
	file, err := s.fs.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		if !errors.Is(err, fs.ErrExist) {
			_ = s.fs.Remove(path) // it may have been made all the same; if it stays, it is removed at the next start
		}
		return err
	}
	s.active, s.file = seg, file
	return nil
}

// seal completes the active segment. Its records are durable, whatever happens here.
func (s *Spool) seal() {
	seg := s.active
	s.abandon()
	if err := s.rename(seg, stateSealed); err != nil {
		s.warn("the spool cannot rename a segment; it is used as it is", "error", err)
	}
}

// abandon ends appends to the active segment. It keeps the state open: there may be something torn at its end.
func (s *Spool) abandon() {
	seg := s.active
	_ = s.file.Close()
	s.active, s.file = nil, nil
	s.mu.Lock()
	seg.active = false
	empty := seg.end == 0
	s.mu.Unlock()
	if empty {
		s.discard(seg)
	}
}

// shrink drops the oldest segments until the files are within MaxBytes; what was kept aside goes first.
func (s *Spool) shrink() {
	s.mu.Lock()
	var gone []*segment
	var dropped, asideBytes int64
	for excess := s.bytes() - s.config.MaxBytes; excess > 0; {
		if i := slices.IndexFunc(s.garbage, func(seg *segment) bool { return seg.held }); i >= 0 {
			s.garbage[i].held = false // rather than something that nobody has read yet
			excess -= s.garbage[i].size
			continue
		}
		if len(s.aside) > 0 {
			seg := s.aside[0]
			s.aside = s.aside[1:]
			gone, excess, asideBytes = append(gone, seg), excess-seg.size, asideBytes+seg.size
			continue
		}
		if len(s.segments) < 2 { // the last one has the record that was just accepted
			break
		}
		seg := s.segments[0]
		s.segments = slices.Delete(s.segments, 0, 1)
		gone, excess = append(gone, seg), excess-seg.size
		dropped += seg.records - seg.inflight
		for i := range s.inflight {
			if s.inflight[i].id.Segment == seg.number {
				s.inflight[i].dropped = true
			}
		}
		if len(s.inflight) == 0 {
			s.oldest = s.segments[0].oldest
		}
	}
	s.stats.Dropped += dropped
	for _, seg := range gone {
		s.stats.DroppedBytes += seg.size
		seg.damaged = false // it must go, not be kept aside
	}
	total, retry := s.stats.Dropped, len(s.garbage) > 0
	s.mu.Unlock()
	if len(gone) > 0 || retry {
		s.discard(gone...)
	}
	if dropped > 0 {
		s.warn("the spool is full and drops its oldest records",
			"dropped", dropped, "dropped_in_all", total, "WORKER_SPOOL_MAX_BYTES", s.config.MaxBytes)
	}
	if asideBytes > 0 {
		s.warn("the spool is full and removes what was kept aside", "bytes", asideBytes)
	}
}
