package source

import (
	"bufio"
	"errors"
	"io"
)

// MaxLine is the greatest length of a line, of a CSV row of several lines, and of a JSON object.
const MaxLine = 1 << 20

// lines reads an input line by line.
type lines struct {
	r      *bufio.Reader
	number int // of the newest line
	long   []byte
}

// next returns the next line with its line break, which the last one may lack. The bytes are valid
// until the next call. A line that is longer than MaxLine is rejected.
func (l *lines) next() ([]byte, error) {
	l.number++
	l.long = l.long[:0]
	length := 0
	for {
		part, err := l.r.ReadSlice('\n')
		length += len(part)
		switch {
		case err == nil && length == len(part):
			return part, nil
		case length <= MaxLine:
			l.long = append(l.long, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || length == 0):
			l.number--
			return nil, err
		case length > MaxLine:
			return nil, errTooLong
		}
		return l.long, nil
	}
}

var errTooLong = wrong(TooLong, "is longer than %d bytes", MaxLine)
