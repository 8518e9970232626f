package spool

import (
	"bytes"
	"errors"
	"io"
)

const windowSize = 64 << 10

// A scanner finds the records in the first limit bytes of a file. It keeps one window of the file in memory.
// Bytes below limit must not change while it is in use; limit may grow.
type scanner struct {
	file   io.ReaderAt
	limit  int64
	window []byte
	at     int64 // the window's place in the file
}

// view returns up to n bytes from offset, fewer only at the limit. They are valid until the next call.
func (s *scanner) view(offset int64, n int) ([]byte, error) {
	n = int(min(int64(n), s.limit-offset))
	if n <= 0 {
		return nil, nil
	}
	if offset < s.at || offset+int64(n) > s.at+int64(len(s.window)) {
		if cap(s.window) == 0 {
			s.window = make([]byte, 0, windowSize)
		}
		size := int(min(windowSize, s.limit-offset))
		s.window = s.window[:0]
		if err := readAt(s.file, s.window[:size], offset); err != nil {
			return nil, err
		}
		s.window, s.at = s.window[:size], offset
	}
	return s.window[offset-s.at:][:n], nil
}

// find returns the first right header at offset or after it, and its place; all before is damage. It returns false
// if there is none. The header's data may go beyond the limit.
func (s *scanner) find(offset int64) (header, int64, bool, error) {
	for {
		b, err := s.view(offset, headerSize)
		if err != nil || len(b) < headerSize {
			return header{}, s.limit, false, err
		}
		if h, ok := parseHeader(b, offset); ok {
			return h, offset, true, nil
		}
		// Search what the window holds, and keep what could be the magic's beginning.
		offset++
		rest, err := s.view(offset, int(max(int64(len(s.window))-(offset-s.at), headerSize)))
		if err != nil {
			return header{}, s.limit, false, err
		}
		if i := bytes.Index(rest, []byte(recordMagic)); i >= 0 {
			offset += int64(i)
		} else {
			offset += int64(max(0, len(rest)-len(recordMagic)+1))
		}
	}
}

// data reads the data of the record at offset. It returns nil if the data is damaged or goes beyond the limit.
func (s *scanner) data(h header, offset int64) ([]byte, error) {
	start := offset + headerSize
	if h.length > s.limit-start {
		return nil, nil
	}
	data := make([]byte, h.length)
	if end := s.at + int64(len(s.window)); start >= s.at && start+h.length <= end {
		copy(data, s.window[start-s.at:])
	} else if err := readAt(s.file, data, start); err != nil {
		return nil, err
	}
	if !h.matches(data) {
		return nil, nil
	}
	return data, nil
}

// readAt fills b. Bytes beyond the file's end are an error: the limit said that they are there.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// A scan sums up a segment.
type scan struct {
	records int   // with a right header, from the offset on
	oldest  int64 // the first one's time
	// end is behind the last record that is whole.
	end int64
	// torn tells whether what is behind end is what an interrupted append leaves.
	torn bool
}

// summarize scans a segment from offset. With verify, records whose data is damaged do not count as whole.
func (s *scanner) summarize(offset int64, verify bool) (scan, error) {
	sum := scan{end: offset}
	for {
		h, at, ok, err := s.find(offset)
		if err != nil {
			return sum, err
		}
		next := at + headerSize + h.length
		if !ok || next > s.limit {
			sum.torn, err = s.isTorn(sum.end, ok && at == sum.end)
			return sum, err
		}
		offset = next
		if sum.records == 0 {
			sum.oldest = h.at
		}
		sum.records++
		if verify {
			data, err := s.data(h, at)
			if err != nil {
				return sum, err
			}
			if data == nil {
				continue
			}
		}
		sum.end = next
	}
}

// isTorn tells whether the bytes from offset to the limit are what an interrupted append leaves.
func (s *scanner) isTorn(offset int64, header bool) (bool, error) {
	if header || s.limit-offset < headerSize {
		return true, nil
	}
	for offset < s.limit { // a file that grew without its data reaching the disk reads as zeros
		b, err := s.view(offset, windowSize)
		if err != nil {
			return false, err
		}
		if len(bytes.TrimLeft(b, "\x00")) > 0 {
			return false, nil
		}
		offset += int64(len(b))
	}
	return true, nil
}
