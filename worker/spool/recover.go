package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	lockName  = "lock"
	probeName = "probe"
	maxNumber = 1e15 // a file with a larger number is not ours
)

// Open opens the spool in config.Dir and makes the folder if need be. It fails only if another process has the
// folder or the folder cannot be used at all.
func Open(log *slog.Logger, fsys FS, config Config) (*Spool, error) {
	config.MaxBytes = cmp.Or(config.MaxBytes, DefaultMaxBytes)
	config.SegmentBytes = min(cmp.Or(config.SegmentBytes, DefaultSegmentBytes), config.MaxBytes/4)
	if config.Now == nil {
		config.Now = time.Now
	}
	s := &Spool{
		log: log, fs: fsys, config: config,
		appended: make(chan struct{}, 1), closed: make(chan struct{}),
		warned: make(map[string]warning),
	}
	if err := s.recover(); err != nil {
		if s.lock != nil {
			s.lock.Close()
		}
		if errors.Is(err, ErrLocked) {
			err = fmt.Errorf("another worker is using this folder: %w", err)
		}
		return nil, fmt.Errorf("WORKER_SPOOL_DIR=%q: %w", config.Dir, err)
	}
	return s, nil
}

func (s *Spool) recover() (err error) {
	dir := s.config.Dir
	if err := s.fs.MkdirAll(dir); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	if s.lock, err = s.fs.Lock(filepath.Join(dir, lockName)); err != nil {
		return err
	}
	if err := s.probe(); err != nil {
		return fmt.Errorf("the folder cannot be written: %w", err)
	}
	entries, err := s.fs.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list the folder: %w", err)
	}
	if s.done, err = readCursor(s.fs, dir); err != nil {
		s.log.Warn("the spool's cursor cannot be read; everything in the spool is sent again", "error", err)
	}
	s.read, s.next = s.done, s.done.Segment+1
	if err != nil {
		// Should the old cursor, read well at a later start, still be there, no new segment may be before it.
		s.next = max(s.next, uint64(s.config.Now().UnixMilli()))
	}

	var found []*segment
	for _, entry := range entries {
		number, state, ok := parseName(entry.Name())
		if !ok || number >= maxNumber {
			continue
		}
		s.next = max(s.next, number+1)
		if entry.Type().IsRegular() {
			found = append(found, &segment{number: number, state: state})
		}
	}
	// Of two files with one number the sealed one keeps it ("open" < "sealed").
	slices.SortFunc(found, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.number, b.number), -cmp.Compare(a.state, b.state))
	})
	var last uint64
	for _, seg := range found {
		if seg.state != stateDamaged {
			if seg.number == last && !s.renumber(seg) {
				continue
			}
			last = seg.number
		}
		s.load(seg)
	}
	slices.SortFunc(s.segments, func(a, b *segment) int { return cmp.Compare(a.number, b.number) })
	if len(s.segments) > 0 {
		s.oldest = s.segments[0].oldest
	}
	s.openCursor()
	s.discard() // what load found to be done or empty
	s.shrink()
	if st := s.Stats(); st.Records > 0 {
		s.log.Info("the spool has records from before", "records", st.Records, "bytes", st.Bytes, "oldest", st.Oldest.UTC())
	}
	return nil
}

// probe tells whether files can be made. A full disk passes: what is in the spool can be sent all the same.
func (s *Spool) probe() error {
	path := filepath.Join(s.config.Dir, probeName)
	file, err := s.fs.OpenFile(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		if classOf(err) == Full {
			s.log.Error("the disk is full", "error", err, "WORKER_SPOOL_DIR", s.config.Dir)
			return nil
		}
		return err
	}
	_ = file.Close()
	_ = s.fs.Remove(path)
	return nil
}

// renumber gives a file whose number is taken another one.
func (s *Spool) renumber(seg *segment) bool {
	number := s.next
	s.next++
	err := s.fs.Rename(s.path(seg.number, seg.state), s.path(number, seg.state))
	if err != nil {
		s.log.Error("two spool files have one number; one is left alone",
			"file", s.path(seg.number, seg.state), "error", err)
		return false
	}
	seg.number = number
	return true
}

// load examines a segment file found at Open and lists it as what it is.
func (s *Spool) load(seg *segment) {
	path := s.path(seg.number, seg.state)
	file, err := s.fs.OpenFile(path, os.O_RDWR) // for writing: a torn end may have to be cut
	if errors.Is(err, fs.ErrPermission) {
		file, err = s.fs.OpenFile(path, os.O_RDONLY)
	}
	if err == nil {
		defer file.Close()
		seg.size, err = file.Size()
	}
	if seg.state == stateDamaged {
		s.aside = append(s.aside, seg)
		return
	}
	from := firstRecord
	switch {
	case s.done.Segment > seg.number:
		s.garbage = append(s.garbage, seg) // its removal was interrupted
		return
	case s.done.Segment == seg.number:
		from = max(from, s.done.Offset)
	}
	seg.checked, seg.end = from, seg.size
	if err != nil {
		seg.end, seg.oldest = unknownEnd, s.config.Now().UnixNano() // the reader tries again
		s.segments = append(s.segments, seg)
		s.log.Error("the spool cannot open a segment yet", "file", path, "error", err)
		return
	}
	sc := scanner{file: file, limit: seg.size}
	if magic, err := sc.view(0, len(segmentMagic)); err == nil && string(magic) != segmentMagic {
		seg.damaged = seg.state == stateSealed || seg.size > firstRecord // a crash may leave less of an open one
	}
	sum, err := sc.summarize(from, seg.state == stateOpen)
	if err != nil {
		// The reader will come to the place, and skip it if it must.
		s.log.Error("the spool cannot read a segment to its end", "file", path, "error", err)
	}
	seg.records, seg.oldest = int64(sum.records), sum.oldest
	if err == nil && seg.state == stateOpen {
		s.finish(seg, file, sum)
	}
	if sum.records > 0 || err != nil {
		s.segments = append(s.segments, seg)
		return
	}
	// Nothing was ever appended, or all is done, or it is no segment at all.
	if seg.damaged = seg.damaged || seg.end > from; seg.damaged {
		s.stats.Damaged++
	}
	s.garbage = append(s.garbage, seg)
}

// finish cuts a torn end off a segment whose process ended, and seals it.
func (s *Spool) finish(seg *segment, file File, sum scan) {
	if cut := seg.size - sum.end; sum.torn && cut > 0 {
		err := file.Truncate(sum.end)
		if err == nil {
			err = file.Sync()
		}
		seg.end = sum.end // also if it could not be cut
		s.stats.CutBytes += cut
		s.log.Warn("the spool cut off a record that was being written when the worker ended",
			"segment", segmentName(seg.number, seg.state), "bytes", cut, "error", err)
		if err != nil {
			return // it must stay open: a sealed segment has no torn end
		}
		seg.size = seg.end
	}
	if seg.end <= firstRecord {
		return // about to be removed
	}
	if err := s.rename(seg, stateSealed); err != nil {
		s.log.Warn("the spool cannot rename a segment; it is used as it is", "error", err)
	}
}

// openCursor opens the cursor's file for writing. Without it the spool works, and repeats more after a restart.
func (s *Spool) openCursor() {
	file, err := s.fs.OpenFile(filepath.Join(s.config.Dir, cursorName), os.O_RDWR|os.O_CREATE)
	if err != nil {
		s.log.Warn("the spool cannot keep its cursor; after a restart records are sent again", "error", err)
		return
	}
	s.cursor.file = file
	err = errors.Join(s.cursor.set(s.done), s.cursor.sync(), s.fs.SyncDir(s.config.Dir))
	if err != nil {
		s.hold(s.garbage)
		s.log.Warn("the spool cannot write its cursor; after a restart records are sent again", "error", err)
	}
}

func unixNano(ns int64) time.Time { return time.Unix(0, ns) }
