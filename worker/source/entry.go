package source

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An entryID is a stream entry's id: milliseconds since 1970, and a number among those of one millisecond.
type entryID struct{ ms, seq uint64 }

func (id entryID) String() string {
	return strconv.FormatUint(id.ms, 10) + "-" + strconv.FormatUint(id.seq, 10)
}

func (id entryID) nanoseconds() int64 { return int64(id.ms) * int64(time.Millisecond) }

func (id entryID) compare(other entryID) int {
	return cmp.Or(cmp.Compare(id.ms, other.ms), cmp.Compare(id.seq, other.seq))
}

func parseID(text string) (entryID, error) {
	ms, seq, _ := strings.Cut(text, "-")
	var id entryID
	var err error
	if id.ms, err = strconv.ParseUint(ms, 10, 63); err == nil {
		id.seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if err != nil || id.ms > 1<<63/uint64(time.Millisecond) {
		return entryID{}, fmt.Errorf("stream entry id %q is not milliseconds-number, before the year 2262", text)
	}
	return id, nil
}

// An entry is one of a stream's. The payload is empty if it has no such field.
type entry struct {
	id      entryID
	payload string
	gone    bool // it was delivered before, and has been deleted since
}

// parseReply reads what XREADGROUP answers for one stream: [[key, entries]], or nothing.
func parseReply(reply any) ([]entry, error) {
	streams, ok := reply.([]any)
	if reply == nil || ok && len(streams) == 0 {
		return nil, nil
	}
	if ok && len(streams) == 1 {
		if pair, ok := streams[0].([]any); ok && len(pair) == 2 {
			return parseEntries(pair[1])
		}
	}
	return nil, fmt.Errorf("the answer to XREADGROUP is not understood: %.100v", reply)
}

// parseEntries reads entries: [[id, [field, value, …]], …]; the inner array is nil for a deleted entry.
func parseEntries(reply any) ([]entry, error) {
	list, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("stream entries are not understood: %.100v", reply)
	}
	entries := make([]entry, 0, len(list))
	for _, item := range list {
		pair, ok := item.([]any)
		if item == nil {
			continue // XCLAIM of Redis 6 gives nil for a deleted entry
		}
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("a stream entry is not understood: %.100v", item)
		}
		text, _ := pair[0].(string)
		id, err := parseID(text)
		if err != nil {
			return nil, err
		}
		e := entry{id: id, gone: pair[1] == nil}
		fields, _ := pair[1].([]any)
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] == payloadField {
				e.payload, _ = fields[i+1].(string)
				break
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}
