package source

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

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
	skipped int64    // bytes before the text
	raw     *counter // set if the input is compressed
	end     func()   // frees the decoder
}

func decompress(file io.Reader) (p plain, err error) {
	p = plain{Reader: bufio.NewReaderSize(file, bufferSize), end: func() {}}
	head, err := p.Peek(4)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		p.raw = &counter{r: p.Reader}
		z, err := gzip.NewReader(p.raw)
		if err != nil {
			return p, fmt.Errorf("uncompress: %w", err)
		}
		p.Reader = bufio.NewReaderSize(z, bufferSize)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		p.raw = &counter{r: p.Reader}
		z, err := zstd.NewReader(p.raw, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return p, fmt.Errorf("uncompress: %w", err)
		}
		p.Reader, p.end = bufio.NewReaderSize(z, bufferSize), z.Close
	case len(head) == 0 && err != nil && !errors.Is(err, io.EOF):
		return p, err
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
		p.skipped = 3
	}
	return p, nil
}

// counter counts the bytes that pass.
type counter struct {
	r *bufio.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n.Add(1)
	}
	return b, err
}
