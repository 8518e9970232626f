package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

// meta and parts are the buckets beside those of the queues.
const (
	meta  = "meta"
	parts = "parts"
)

// A head says what else the file holds, so that what is missing is noticed.
type head struct {
	Version        uint64 // 1
	Commits        uint64
	LastKey        uint64 // the greatest of all batches that ever were
	Parts          uint64
	Lines, Letters queueHead
}

type queueHead struct {
	Batches uint64
	Bytes   uint64 // of the batches' sealed values
	Count   uint64 // points or letters in them
	Dropped uint64 // points or letters ever
}

func (h *head) queue(q Queue) *queueHead {
	if q == Lines {
		return &h.Lines
	}
	return &h.Letters
}

var (
	errDamaged = errors.New("the file is damaged")
	errRemoved = errors.New("the file was removed or replaced")
)

// guard makes errors of bbolt's panics and of reading a file beyond its end: it meets them on a
// damaged file.
func guard(act func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return act()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(bucket string, key, value []byte) uint32 {
	sum := crc32.Update(crc32.Checksum([]byte(bucket), castagnoli), castagnoli, key)
	return crc32.Update(sum, castagnoli, value)
}

// unseal checks a value.
func unseal(bucket string, key, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 || binary.BigEndian.Uint32(sealed) != checksum(bucket, key, sealed[4:]) {
		return nil, fmt.Errorf("%w: %s %x has another checksum", errDamaged, bucket, key)
	}
	if _, queued := countOf(bucket, sealed[4:]); queued && len(sealed) < 8 {
		return nil, fmt.Errorf("%w: %s %x is cut off", errDamaged, bucket, key)
	}
	return sealed[4:], nil
}

// countOf returns how many points or letters a value holds, and reports whether it is a batch.
func countOf(bucket string, value []byte) (uint64, bool) {
	if q := Queue(bucket); q != Lines && q != Letters {
		return 0, false
	}
	if len(value) < 4 {
		return 0, true
	}
	return uint64(binary.BigEndian.Uint32(value)), true
}

func batchKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func keyTime(key []byte) time.Time { return time.UnixMicro(int64(binary.BigEndian.Uint64(key))) }

// batchID holds the seal's checksum too: a commit that failed and is repeated may change the batch,
// which a sender that has the old one must not remove.
func batchID(key, sealed []byte) string { return string(key) + string(sealed[:4]) }

func partKey(window int64, commit uint64) []byte {
	return binary.BigEndian.AppendUint64(windowKey(window), commit)
}

func windowKey(window int64) []byte {
	// In the order of time, also before 1970.
	return binary.BigEndian.AppendUint64(nil, uint64(window)^1<<63)
}

// A transaction changes the file. Its methods keep the first error.
type transaction struct {
	tx            *bolt.Tx
	head          head
	most          map[Queue]uint64
	droppedPoints uint64
	oldest        time.Time // batch of lines at its end
	err           error
}

// begin reads the head, or begins one in an empty file.
func begin(tx *bolt.Tx, most map[Queue]uint64) (*transaction, error) {
	t := &transaction{tx: tx, most: most, head: head{Version: 1}}
	if tx.Bucket([]byte(meta)) == nil {
		for _, name := range []string{meta, parts, string(Lines), string(Letters)} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return nil, err
			}
		}
		return t, nil
	}
	value, err := unseal(meta, []byte("head"), tx.Bucket([]byte(meta)).Get([]byte("head")))
	if err == nil {
		err = t.head.decode(value)
	}
	return t, err
}

func (h *head) decode(value []byte) error {
	n, err := binary.Decode(value, binary.BigEndian, h)
	if err != nil || n != len(value) || h.Version != 1 {
		return fmt.Errorf("%w: its head is of another version", errDamaged)
	}
	return nil
}

func (t *transaction) saveHead() error {
	value, _ := binary.Append(nil, binary.BigEndian, t.head)
	t.put(meta, []byte("head"), value)
	if k, _ := t.tx.Bucket([]byte(Lines)).Cursor().First(); k != nil {
		t.oldest = keyTime(k)
	}
	return t.err
}

// put seals and saves a value, and counts it in the head in place of the one that it replaces.
func (t *transaction) put(bucket string, key, value []byte) {
	if t.err != nil {
		return
	}
	sealed := make([]byte, 0, 4+len(value))
	sealed = binary.BigEndian.AppendUint32(sealed, checksum(bucket, key, value))
	sealed = append(sealed, value...)
	b := t.tx.Bucket([]byte(bucket))
	t.count(bucket, b.Get(key), -1)
	t.count(bucket, sealed, +1)
	t.err = b.Put(key, sealed)
}

// count adds a sealed value to what the head says, or takes it away.
func (t *transaction) count(bucket string, sealed []byte, sign int) {
	if sealed != nil {
		t.head.count(bucket, sealed, sign)
	}
}

func (h *head) count(bucket string, sealed []byte, sign int) {
	if bucket == parts {
		h.Parts += uint64(sign)
	}
	if n, queued := countOf(bucket, sealed[4:]); queued {
		q := h.queue(Queue(bucket))
		q.Batches += uint64(sign)
		q.Bytes += uint64(sign * len(sealed))
		q.Count += uint64(sign) * n
	}
}

// drop removes a window's parts.
func (t *transaction) drop(window int64) {
	prefix := windowKey(window)
	c := t.tx.Bucket([]byte(parts)).Cursor()
	for k, _ := c.Seek(prefix); t.err == nil && bytes.HasPrefix(k, prefix); k, _ = c.Seek(prefix) {
		t.head.Parts--
		t.err = c.Delete()
	}
}

// nextKey returns a key for new batches, greater than all before.
func (t *transaction) nextKey() uint64 {
	return max(uint64(time.Now().UnixMicro()), t.head.LastKey+1)
}

// enqueue adds a batch, and drops the oldest ones if there are too many bytes.
func (t *transaction) enqueue(q Queue, key uint64, count int, data []byte) {
	value := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(data)), uint32(count))
	t.put(string(q), batchKey(key), append(value, data...))
	c := t.tx.Bucket([]byte(q)).Cursor()
	h := t.head.queue(q)
	for k, v := c.First(); t.err == nil && h.Bytes > t.most[q] && h.Batches > 1; k, v = c.First() {
		value, err := unseal(string(q), k, v)
		if err != nil {
			t.err = err
			return
		}
		n, _ := countOf(string(q), value)
		t.head.count(string(q), v, -1)
		h.Dropped += n
		if q == Lines {
			t.droppedPoints += n
		}
		t.err = c.Delete()
	}
}

// dequeue removes a batch and reports whether it was there.
func (t *transaction) dequeue(q Queue, id string) bool {
	key := []byte(id)[:min(8, len(id))]
	b := t.tx.Bucket([]byte(q))
	sealed := b.Get(key)
	if t.err != nil || len(sealed) < 4 || batchID(key, sealed) != id {
		return false
	}
	t.head.count(string(q), sealed, -1)
	t.err = b.Delete(key)
	return true
}
