package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// pageSize is that of every file of ours, whatever the machine's is.
const pageSize = 4096

// version is that of the file's format.
const version = 1

// meta and parts are the buckets beside those of the queues; state and headKey are meta's keys.
const (
	meta    = "meta"
	parts   = "parts"
	state   = "state"
	headKey = "head"
)

// A head says what else the file holds, so that what is missing is noticed.
type head struct {
	Version        uint64
	Last           uint64 // number of the last commit
	Parts          uint64
	Lines, Letters queueHead
}

type queueHead struct {
	Batches uint64
	Bytes   uint64
}

func (h *head) queue(q Queue) *queueHead {
	if q == Lines {
		return &h.Lines
	}
	return &h.Letters
}

// count adds a value to what the head says, or takes it away.
func (h *head) count(bucket string, value []byte, sign int) {
	switch bucket {
	case parts:
		h.Parts += uint64(sign)
	case string(Lines), string(Letters):
		q := h.queue(Queue(bucket))
		q.Batches += uint64(sign)
		q.Bytes += uint64(sign * len(value))
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(bucket string, key, value []byte) uint32 {
	sum := crc32.Update(crc32.Checksum([]byte(bucket), castagnoli), castagnoli, key)
	return crc32.Update(sum, castagnoli, value)
}

func seal(bucket string, key, value []byte) []byte {
	sealed := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(value)),
		checksum(bucket, key, value))
	return append(sealed, value...)
}

// unseal checks a value.
func unseal(bucket string, key, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 || binary.BigEndian.Uint32(sealed) != checksum(bucket, key, sealed[4:]) {
		return nil, fmt.Errorf("%w: %s %x has another checksum", errDamaged, bucket, key)
	}
	return sealed[4:], nil
}

// each calls visit for every value but the head, in the order of the keys.
func each(tx *bolt.Tx, visit func(bucket string, key, value []byte) error) error {
	for _, bucket := range []string{meta, parts, string(Lines), string(Letters)} {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return fmt.Errorf("%w: bucket %s is missing", errDamaged, bucket)
		}
		err := b.ForEach(func(key, sealed []byte) error {
			if string(key) == headKey && bucket == meta {
				return nil
			}
			value, err := unseal(bucket, key, sealed)
			if err != nil {
				return err
			}
			return visit(bucket, key, value)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// batchValue is what a queue holds: the time of the commit and its data.
func batchValue(at time.Time, data []byte) []byte {
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(data)), uint64(at.UnixMicro()))
	return append(value, data...)
}

func splitBatch(value []byte) (at time.Time, data []byte) {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(value))), value[8:]
}

// number is that of the commit of a batch.
func number(key []byte) uint64 { return binary.BigEndian.Uint64(key) }

func windowKey(window int64) []byte {
	// In the order of time, also before 1970.
	return binary.BigEndian.AppendUint64(nil, uint64(window)^1<<63)
}

func windowOf(key []byte) int64 { return int64(binary.BigEndian.Uint64(key) ^ 1<<63) }

// A transaction changes the file. Its methods keep the first error.
type transaction struct {
	tx      *bolt.Tx
	head    head
	most    map[Queue]uint64
	dropped map[Queue]uint64 // lines that had no room
	oldest  time.Time        // batch of lines at the end
	err     error
}

// begin reads the head, or begins one in an empty file.
func begin(tx *bolt.Tx, most map[Queue]uint64) (*transaction, error) {
	t := &transaction{
		tx: tx, most: most, head: head{Version: version}, dropped: map[Queue]uint64{},
	}
	b := tx.Bucket([]byte(meta))
	if b == nil {
		for _, name := range []string{meta, parts, string(Lines), string(Letters)} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return nil, fmt.Errorf("%w: %w", errDamaged, err)
			}
		}
		return t, nil
	}
	value, err := unseal(meta, []byte(headKey), b.Get([]byte(headKey)))
	if err != nil {
		return nil, err
	}
	n, err := binary.Decode(value, binary.BigEndian, &t.head)
	if err != nil || n != len(value) || t.head.Version != version {
		return nil, fmt.Errorf("%w: its format is of another version", errDamaged)
	}
	return t, nil
}

// end saves the head.
func (t *transaction) end() error {
	value, _ := binary.Append(nil, binary.BigEndian, t.head)
	t.put(meta, []byte(headKey), value)
	if _, v := t.tx.Bucket([]byte(Lines)).Cursor().First(); v != nil {
		t.oldest, _ = splitBatch(v[4:])
	}
	return t.err
}

// put saves a value in place of the one that is there.
func (t *transaction) put(bucket string, key, value []byte) {
	b := t.tx.Bucket([]byte(bucket))
	if old := b.Get(key); old != nil {
		t.head.count(bucket, old[4:], -1)
	}
	t.head.count(bucket, value, +1)
	t.err = cmp.Or(t.err, b.Put(key, seal(bucket, key, value)))
}

// remove removes a value if it is there.
func (t *transaction) remove(bucket string, key []byte) {
	b := t.tx.Bucket([]byte(bucket))
	if sealed := b.Get(key); sealed != nil && t.err == nil {
		t.head.count(bucket, sealed[4:], -1)
		t.err = b.Delete(key)
	}
}

// dropParts removes the parts that a commit makes needless.
func (t *transaction) dropParts(c Commit) {
	var needless [][]byte
	_ = t.tx.Bucket([]byte(parts)).ForEach(func(key, _ []byte) error { // it fails if the function does
		if c.Whole || !slices.Contains(c.Open, windowOf(key)) {
			needless = append(needless, bytes.Clone(key))
		}
		return nil
	})
	for _, key := range needless {
		t.remove(parts, key)
	}
}

// enqueue adds a batch, if it holds something, and drops the oldest ones if there are too many
// bytes.
func (t *transaction) enqueue(q Queue, key, data []byte) {
	if len(data) == 0 {
		return
	}
	t.put(string(q), key, batchValue(time.Now(), data))
	c := t.tx.Bucket([]byte(q)).Cursor()
	h := t.head.queue(q)
	for k, v := c.First(); t.err == nil && h.Bytes > t.most[q] && h.Batches > 1; k, v = c.First() {
		t.dropped[q] += uint64(bytes.Count(v[12:], []byte("\n")))
		t.remove(string(q), bytes.Clone(k))
	}
}
