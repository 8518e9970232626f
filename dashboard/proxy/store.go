package proxy

import (
	"container/list"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A store keeps answers until they expire, the least recently used ones first to go when it is full.
type store struct {
	most int64

	mu    sync.Mutex
	held  int64
	items map[string]*list.Element
	order list.List // of *item, most recently used first
}

type item struct {
	key  string
	kept *kept
	end  time.Time
}

// itemOverhead is what an item takes beside its key and body: header, list and map entry, estimated.
const itemOverhead = 1024

func (i *item) size() int64 { return int64(len(i.key)) + int64(len(i.kept.body)) + itemOverhead }

func newStore(most int64) *store { return &store{most: most, items: make(map[string]*list.Element)} }

func (s *store) get(key string, now time.Time) (*kept, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	element, ok := s.items[key]
	if !ok {
		return nil, false
	}
	if found := element.Value.(*item); now.Before(found.end) {
		s.order.MoveToFront(element)
		return found.kept, true
	}
	s.remove(element)
	return nil, false
}

func (s *store) put(key string, k *kept, end time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.items[key]; ok {
		s.remove(old)
	}
	added := &item{key: key, kept: k, end: end}
	if added.size() > s.most/2 {
		return
	}
	s.items[key] = s.order.PushFront(added)
	s.held += added.size()
	for s.held > s.most {
		s.remove(s.order.Back())
	}
}

func (s *store) remove(element *list.Element) {
	removed := s.order.Remove(element).(*item)
	delete(s.items, removed.key)
	s.held -= removed.size()
}

// maxLife is the longest that an asset is kept, whatever Grafana permits.
const maxLife = 24 * time.Hour

// lifetime is how long an answer is kept.
func lifetime(s sharing, k *kept) time.Duration {
	switch s {
	case second:
		return time.Second // errors too: a hundred panels need not hear of each from Grafana itself
	case cached:
		if k.status != http.StatusOK || k.header.Get("Vary") != "" && !strings.EqualFold(k.header.Get("Vary"), "Accept-Encoding") {
			return 0
		}
		return maxAge(k.header)
	default:
		return 0
	}
}

// maxAge reads how long a shared cache may keep an answer. Anything unusual in Cache-Control means not at all.
func maxAge(header http.Header) time.Duration {
	var life time.Duration
	for _, value := range header["Cache-Control"] {
		for directive := range strings.SplitSeq(value, ",") {
			name, argument, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
			switch name {
			case "public", "immutable":
			case "max-age":
				seconds, err := strconv.ParseUint(argument, 10, 31)
				if err != nil {
					return 0
				}
				life = min(time.Duration(seconds)*time.Second, maxLife)
			default:
				return 0
			}
		}
	}
	return life
}
