package store

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"io"
	"strconv"
	"strings"
	"time"
)

// position is the position in a field's name, without the i of rejected lines.
func (f field) position() string {
	_, position, _ := strings.Cut(f.name, ":")
	return strings.TrimSuffix(position, "i")
}

// at is when the batch was committed, to be precise the time of the last entry before.
func (f field) at() time.Time {
	ms, _ := parseID(f.position())
	return time.UnixMilli(int64(ms))
}

// parseID parses a stream entry's ID, <milliseconds>-<number>; "" is 0-0.
func parseID(id string) (ms, seq uint64) {
	a, b, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(a, 10, 64)
	seq, _ = strconv.ParseUint(b, 10, 64)
	return ms, seq
}

func compareIDs(a, b string) int {
	ams, aseq := parseID(a)
	bms, bseq := parseID(b)
	return cmp.Or(cmp.Compare(ams, bms), cmp.Compare(aseq, bseq))
}

func compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

func decompress(packed string) ([]byte, error) {
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
