package source

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/streamid"
)

// probeScript looks at the stream for what others may have deleted: whether an entry is still
// there, and what XINFO STREAM says, which alone would send the first and the last entry, too. It
// writes nothing.
const probeScript = `
local answer = {#redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]), '', '', '', redis.call('XLEN', KEYS[1])}
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
	if info[i] == 'last-generated-id' then answer[2] = info[i + 1] end
	if info[i] == 'max-deleted-entry-id' then answer[3] = info[i + 1] end
	if info[i] == 'entries-added' then answer[4] = tostring(info[i + 1]) end
end
return answer`

// A probe is what was found. Redis before 7 does not count what was added and deleted.
type probe struct {
	there   bool   // the last entry of before is in the stream
	last    string // the newest id that the stream ever had, empty if it is not known
	deleted string // the highest id that XDEL deleted
	added   int64  // entries ever added, 0 if that is not known
	length  int64  // entries in the stream
}

func parseProbe(list []any, err error) (probe, error) {
	if err != nil {
		return probe{}, err
	}
	if len(list) != 5 {
		return probe{}, fmt.Errorf("the state of the stream is not understood: %.100v", list)
	}
	p := probe{there: list[0] == int64(1)}
	p.last, _ = list[1].(string)
	p.deleted, _ = list[2].(string)
	added, _ := list[3].(string)
	p.added, _ = strconv.ParseInt(added, 10, 64) // 0 without one
	p.length, _ = list[4].(int64)
	return p, nil
}

// before reports whether the stream ends before an id.
func (p probe) before(id string) bool { return p.last != "" && streamid.Compare(p.last, id) < 0 }

// intact reports whether nothing behind the last entry of before can have been deleted unread.
// Trimming deletes from the oldest entry on: what follows an entry that is there was not trimmed.
func (p probe) intact(b batch) bool {
	if !p.there {
		return false
	}
	if p.deleted == "" || streamid.Compare(p.deleted, b.after) <= 0 {
		return true
	}
	for _, e := range b.entries { // it was deleted after it was read
		if e.id == p.deleted {
			return true
		}
	}
	return false
}

// count compares how many entries were added with how many were read. It is certain of it if the
// batch has all that there is, or if the stream holds no entry but those that follow, and as many
// as were added.
func (s *Stream) count(b batch) (lost int64, certain bool) {
	p, read, n, last := b.probe, s.position.Entries, int64(len(b.entries)), b.after
	if n > 0 {
		last = b.entries[n-1].id
	}
	if read >= 0 && !p.there && streamid.Compare(p.deleted, b.after) < 0 && p.length == p.added-read {
		return 0, true // what was trimmed had been read
	}
	if p.added == 0 || p.last != last {
		return 0, false
	}
	added := p.added - n
	if s.position.Entries = added; read < 0 {
		return 0, false
	}
	return max(added-read, 0), added >= read // else it is another stream
}

// Look asks for the milliseconds of a stream's newest id, 0 if it never had one, and how many
// entries were ever added to it, 0 if Redis does not tell.
func Look(
	ctx context.Context, client redis.UniversalClient, key string,
) (newest, added int64, err error) {
	p, err := parseProbe(client.Eval(ctx, probeScript, []string{key}, "0-0").Slice())
	return Milliseconds(p.last), p.added, err
}
