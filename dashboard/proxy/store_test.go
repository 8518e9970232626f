package proxy

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	const most = 20 << 10
	s := newStore(most)
	now := time.Now()
	add := func(key string, size int, life time.Duration) {
		s.put(key, &kept{body: make([]byte, size)}, now.Add(life))
	}
	has := func(key string) bool { _, ok := s.get(key, now); return ok }

	add("often used", 2000, time.Minute)
	for i := range 100 {
		add(fmt.Sprint(i), 1000+i, time.Minute)
		if !has("often used") {
			t.Fatalf("what is used most went first, after %d others", i)
		}
		if s.held > most || s.held < 0 || len(s.items) != s.order.Len() {
			t.Fatalf("%d bytes held, %d items, %d in order", s.held, len(s.items), s.order.Len())
		}
	}
	if has("0") || !has("99") {
		t.Errorf("the oldest is there: %v, the newest: %v", has("0"), has("99"))
	}
	add("too large", most, time.Minute)
	if has("too large") || !has("99") {
		t.Error("what is too large is kept, or drove others out")
	}
	add("99", 10, time.Minute)
	if k, _ := s.get("99", now); len(k.body) != 10 {
		t.Error("a second put does not replace the first")
	}
	add("short", 10, time.Second)
	if now = now.Add(time.Second); has("short") {
		t.Error("an answer is kept beyond its end")
	}
	now = now.Add(time.Hour)
	for key := range s.items {
		has(key)
	}
	if s.held != 0 || s.order.Len() != 0 {
		t.Errorf("%d bytes held when all has expired", s.held)
	}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	for control, want := range map[string]time.Duration{
		"public, max-age=60": time.Minute, "max-age=31536000": maxLife, "PUBLIC,MAX-AGE=1": time.Second, "": 0, "public": 0, "max-age": 0,
		"max-age=-1": 0, "max-age=99999999999": 0, "max-age=60, no-store": 0, "private, max-age=60": 0, "s-maxage=60": 0, `max-age="60"`: 0,
	} {
		if got := maxAge(http.Header{"Cache-Control": {control}}); got != want {
			t.Errorf("%q: %v, want %v", control, got, want)
		}
	}
	if got := maxAge(http.Header{"Cache-Control": {"max-age=60", "no-store"}}); got != 0 {
		t.Errorf("two lines: %v", got)
	}
}
