package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"time"
)

// MaxRecord is the longest record, in bytes.
const MaxRecord = 64 << 20

const (
	segmentMagic = "CSSPOOL1"
	recordMagic  = "\xf5REC"
	headerSize   = 24
	firstRecord  = int64(len(segmentMagic)) // its offset
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An ID is a record's place. IDs grow in the order of the records.
type ID struct {
	Segment uint64
	Offset  int64
}

func (id ID) String() string { return fmt.Sprintf("%d:%d", id.Segment, id.Offset) }

func (id ID) compare(other ID) int {
	switch {
	case id.Segment < other.Segment || id.Segment == other.Segment && id.Offset < other.Offset:
		return -1
	case id == other:
		return 0
	}
	return 1
}

// A Record is one accepted record. Data belongs to whoever gets it.
type Record struct {
	ID         ID
	Data       []byte
	AppendedAt time.Time
}

// header is what stands before a record's data.
type header struct {
	length int64
	at     int64
	crc    uint32
}

// appendRecord writes the record, header and data, that is to stand at offset.
func appendRecord(dst []byte, offset int64, at time.Time, data []byte) []byte {
	start := len(dst)
	dst = append(dst, recordMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(data)))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at.UnixNano()))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(data, castagnoli))
	dst = binary.LittleEndian.AppendUint32(dst, headerSum(dst[start:], offset))
	return append(dst, data...)
}

// parseHeader reads a header of headerSize bytes that stands at offset.
func parseHeader(b []byte, offset int64) (header, bool) {
	h := header{
		length: int64(binary.LittleEndian.Uint32(b[4:])),
		at:     int64(binary.LittleEndian.Uint64(b[8:])),
		crc:    binary.LittleEndian.Uint32(b[16:]),
	}
	ok := strings.HasPrefix(string(b[:4]), recordMagic) && h.length >= 1 && h.length <= MaxRecord &&
		binary.LittleEndian.Uint32(b[20:]) == headerSum(b[:20], offset)
	return h, ok
}

func headerSum(b []byte, offset int64) uint32 {
	var place [8]byte
	binary.LittleEndian.PutUint64(place[:], uint64(offset))
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, place[:])
}

func (h header) matches(data []byte) bool { return crc32.Checksum(data, castagnoli) == h.crc }
