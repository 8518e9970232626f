package store

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"time"

	"colorstream/generator/streamid"
)

// position is the position in a field's name, without the i of rejected lines.
func (f field) position() string {
	_, position, _ := strings.Cut(f.name, ":")
	return strings.TrimSuffix(position, "i")
}

// at is when the batch was committed, to be precise the time of the last entry before.
func (f field) at() time.Time {
	ms, _ := streamid.Parse(f.position())
	return time.UnixMilli(int64(ms))
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // a level that there is
	_, _ = z.Write(data)                            // to memory
	_ = z.Close()
	return b.Bytes()
}

func decompress(packed string) ([]byte, error) {
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
