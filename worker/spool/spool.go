package spool

import (
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"
)

// The defaults of [Config].
const (
	DefaultMaxBytes     = 256 << 20
	DefaultSegmentBytes = 4 << 20
)

// Config says where and how large a spool is.
type Config struct {
	Dir string
	// MaxBytes is what all files together may take; 0 means DefaultMaxBytes.
	MaxBytes int64
	// SegmentBytes is the size at which a new segment begins. A larger one needs fewer files, a smaller one drops
	// less at once and repeats less after a power failure. 0 means DefaultSegmentBytes, or a quarter of MaxBytes
	// if that is less.
	SegmentBytes int64
	// Now is the time; nil means time.Now.
	Now func() time.Time
}

// A Spool is an open queue. Its methods are safe for concurrent use, but the order of records means something only
// with one goroutine that appends, and positions only with one that reads.
type Spool struct {
	log    *slog.Logger
	fs     FS
	config Config
	lock   io.Closer
	// appended is sent to after an append; closed is closed by Close.
	appended, closed chan struct{}

	appendMu sync.Mutex // taken before mu
	active   *segment   // nil if the next append begins a segment
	file     File       // the active segment's
	buffer   []byte
	next     uint64 // number of the next segment

	readMu  sync.Mutex // taken before mu
	reader  reader
	cursor  cursor
	isClose bool // guarded by both appendMu and readMu

	mu       sync.Mutex // never held during I/O
	segments []*segment // with records, oldest first
	garbage  []*segment // to be removed
	aside    []*segment // kept for a human
	read     ID         // where the reader is
	done     ID         // everything before is done
	inflight []delivered
	oldest   int64 // when the first record not done was appended, or a little earlier
	stats    Stats
	warned   map[string]warning
}

// delivered is a record that the reader has and that is not done.
type delivered struct {
	id, next ID
	at       int64
	dropped  bool // its segment is gone
}

// Stats are a spool's figures. Counters begin at Open.
type Stats struct {
	// Records are the records not done, as far as their number is known without reading them.
	Records int64
	// Bytes is the size of all files, those kept aside included.
	Bytes    int64
	Segments int
	// Oldest is when the oldest record not done was appended, or a little earlier; zero if all are done.
	Oldest time.Time

	Appended     int64
	Dropped      int64 // records that had to go because the spool was full
	DroppedBytes int64 // of the files removed for it
	Damaged      int64 // places that could not be read
	CutBytes     int64 // torn ends cut off at Open
	Aside        int   // damaged files that are kept
	AsideBytes   int64
}

// Stats returns the figures of now. It never waits for the disk.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Segments = len(s.segments)
	st.Records, st.Bytes = s.pending(), s.bytes()
	st.Aside = len(s.aside)
	for _, seg := range s.aside {
		st.AsideBytes += seg.size
	}
	if st.Records > 0 {
		st.Oldest = time.Unix(0, s.oldest)
	}
	return st
}

// pending counts the records not done. mu is held, as in all below.
func (s *Spool) pending() int64 {
	var n int64
	for _, seg := range s.segments {
		n += seg.records
	}
	return n
}

func (s *Spool) bytes() int64 {
	var n int64
	for _, list := range [][]*segment{s.segments, s.garbage, s.aside} {
		for _, seg := range list {
			n += seg.size
		}
	}
	return n
}

// segmentFrom returns the first segment with at least this number.
func (s *Spool) segmentFrom(number uint64) *segment {
	for _, seg := range s.segments {
		if seg.number >= number {
			return seg
		}
	}
	return nil
}

// ErrClosed says that the spool was closed.
var ErrClosed = errors.New("the spool is closed")

// Close ends the spool and lets go of the folder. A waiting Next returns ErrClosed.
func (s *Spool) Close() error {
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if s.isClose {
		return nil
	}
	s.isClose = true
	close(s.closed)
	s.reader.close()
	err := s.cursor.close()
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	return errors.Join(err, s.lock.Close())
}

// warning limits how often one message is logged.
type warning struct {
	last  time.Time
	since int // how often it was not logged since
}

const warnEvery = 10 * time.Second

// warn logs, each message at most once in ten seconds.
func (s *Spool) warn(message string, attrs ...any) {
	now := s.config.Now()
	s.mu.Lock()
	w := s.warned[message]
	quiet := !w.last.IsZero() && now.Sub(w.last) < warnEvery && !now.Before(w.last)
	if quiet {
		w.since++
	} else if w.since > 0 {
		attrs = append(attrs, "times_since_last_said", w.since)
	}
	if !quiet {
		w = warning{last: now}
	}
	s.warned[message] = w
	s.mu.Unlock()
	if !quiet {
		s.log.Warn(message, attrs...)
	}
}
