package source

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const bufferSize = 64 << 10

// foreign are the first bytes of formats that are not read, and what to do about them.
var foreign = []struct{ magic, advice string }{
	{"PK\x03\x04", "is a spreadsheet or a zip file: save it as CSV, or unpack it"},
	{"\xd0\xcf\x11\xe0", "is a spreadsheet: save it as CSV"},
	{"PAR1", "is a Parquet file: write it as CSV or JSON"},
	{"BZh", "is compressed with bzip2: uncompress it (bunzip2), or use gzip or zstd"},
	{"\xfd7zXZ", "is compressed with xz: uncompress it (unxz), or use gzip or zstd"},
	{"\xff\xfe", "is UTF-16 text: save it as UTF-8"},
	{"\xfe\xff", "is UTF-16 text: save it as UTF-8"},
}

// plain is an input as text, without compression and byte-order mark.
type plain struct {
	*bufio.Reader
	file       *counter
	compressed bool
	end        func() // frees the decoder
}

func decompress(file io.Reader) (p plain, err error) {
	p = plain{file: &counter{Reader: file}, end: func() {}}
	p.Reader = bufio.NewReaderSize(p.file, bufferSize)
	head, err := p.Peek(4)
	var text io.Reader
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		text, err = gzip.NewReader(p.Reader)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(p.Reader, zstd.WithDecoderConcurrency(1)); err == nil {
			text, p.end = z, z.Close
		}
	case len(head) == 0 && err != nil && !errors.Is(err, io.EOF):
		return p, err
	default:
		err = nil // a short file
	}
	if err != nil {
		return p, fmt.Errorf("uncompress: %w", err)
	}
	if text != nil {
		p.Reader, p.compressed = bufio.NewReaderSize(text, bufferSize), true
	}
	head, _ = p.Peek(6)
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			p.end()
			return p, errors.New(f.advice)
		}
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) { // byte-order mark
		_, _ = p.Discard(3)
	}
	return p, nil
}

// first looks for the first character that is no white space and not in a comment. It does not look
// further than the buffer: 0 is none.
func (p plain) first() byte {
	comment := false
	for n := 1; ; n++ {
		head, err := p.Peek(n)
		if err != nil {
			return 0
		}
		switch c := head[n-1]; {
		case comment || c == '#':
			comment = c != '\n'
		case !isSpace(c):
			return c
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// offset is how many bytes of the file have been used up: of a compressed one, have been read.
func (p plain) offset() int64 {
	if p.compressed {
		return p.file.n
	}
	return p.file.n - int64(p.Buffered())
}

// counter counts the bytes that are read.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
