package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// The states of a segment, which are the ends of its file's name.
const (
	stateOpen    = "open"
	stateSealed  = "sealed"
	stateDamaged = "damaged"
)

const (
	numberDigits = 16
	unknownEnd   = 1 << 62
)

// A segment is what is known of one segment file. Spool.mu guards it.
type segment struct {
	number uint64
	state  string
	size   int64 // of the file
	end    int64 // everything before may be read; unknownEnd if the file could not be opened yet
	oldest int64 // when the first record was appended
	// records are those not done; inflight of them are with the reader.
	records, inflight int64
	active            bool  // gets appends
	damaged           bool  // something in it could not be read
	held              bool  // must not be removed yet: see release
	checked           int64 // damage before this offset is counted
}

func segmentName(number uint64, state string) string {
	return fmt.Sprintf("%0*d.%s", numberDigits, number, state)
}

// parseName reads a segment's name. Other files' names give false.
func parseName(name string) (number uint64, state string, ok bool) {
	digits, state, _ := strings.Cut(name, ".")
	if len(digits) != numberDigits || state != stateOpen && state != stateSealed && state != stateDamaged {
		return 0, "", false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, state, err == nil && number > 0
}

// name is the name of the segment's file.
func (s *Spool) name(seg *segment) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return segmentName(seg.number, seg.state)
}

func (s *Spool) path(number uint64, state string) string {
	return filepath.Join(s.config.Dir, segmentName(number, state))
}

// locate calls do with the segment's path. Should a rename have failed and yet been done, the file has the name of
// another state.
func (s *Spool) locate(seg *segment, do func(path string) error) error {
	s.mu.Lock()
	state := seg.state
	s.mu.Unlock()
	err := do(s.path(seg.number, state))
	for _, other := range []string{stateOpen, stateSealed, stateDamaged} {
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if other != state {
			if again := do(s.path(seg.number, other)); again == nil || !errors.Is(again, fs.ErrNotExist) {
				err = again
			}
		}
	}
	return err
}

// rename changes the segment's state. If that fails the segment stays what it is, which is always harmless.
func (s *Spool) rename(seg *segment, state string) error {
	err := s.locate(seg, func(path string) error { return s.fs.Rename(path, s.path(seg.number, state)) })
	if err != nil {
		return err
	}
	s.mu.Lock()
	seg.state = state
	s.mu.Unlock()
	return s.fs.SyncDir(s.config.Dir)
}

// hold keeps segments that are no longer listed from being removed. mu is held, or nobody else is there yet.
func (s *Spool) hold(segments []*segment) {
	for _, seg := range segments {
		seg.held = true
	}
}

// discard removes the files of segments that are no longer listed, or keeps them aside if something in them could
// not be read. What cannot be removed, or not yet, is tried again at the next call.
func (s *Spool) discard(gone ...*segment) {
	s.mu.Lock()
	var held []*segment
	for _, seg := range s.garbage {
		if seg.held {
			held = append(held, seg)
		} else {
			gone = append(gone, seg)
		}
	}
	s.garbage = held
	s.mu.Unlock()
	for _, seg := range gone {
		s.mu.Lock()
		aside := seg.damaged && seg.state != stateDamaged
		s.mu.Unlock()
		var err error
		if aside {
			err = s.rename(seg, stateDamaged)
		} else if err = s.locate(seg, s.fs.Remove); errors.Is(err, fs.ErrNotExist) {
			err = nil // somebody removed it
		}
		s.mu.Lock()
		switch {
		case seg.state == stateDamaged && aside:
			s.aside = append(s.aside, seg)
		case err != nil:
			s.garbage = append(s.garbage, seg)
		}
		s.mu.Unlock()
		if err != nil {
			s.warn("the spool cannot tidy up", "segment", s.name(seg), "error", err)
		} else if aside {
			s.log.Warn("a spool segment has damage; it is kept for you to look at",
				"file", s.path(seg.number, stateDamaged))
		}
	}
}
