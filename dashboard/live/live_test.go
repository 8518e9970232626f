package live

import (
	"bufio"
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/generator/service/servicetest"
)

func frame(name, data string) *Frame {
	f := new(Frame)
	f.Add(name, []byte(data))
	return f
}

// A script is what all clients get, one frame after the other.
type script struct {
	mu     sync.Mutex
	frames []*Frame
	more   chan struct{} // closed, and replaced, when there is another
}

func (s *script) add(f *Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, f)
	close(s.more)
	s.more = make(chan struct{})
}

// serve returns an address at which a script can be followed.
func serve(t *testing.T, limit int) (s *script, url string) {
	t.Helper()
	s = &script{more: make(chan struct{})}
	server := NewServer(limit, prometheus.NewRegistry())
	ready := make(chan struct{})
	close(ready)
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := 0
		server.Serve(w, r, frame("state", `"s"`), func() (*Frame, <-chan struct{}) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if at == len(s.frames) {
				return new(Frame), s.more
			}
			at++
			return s.frames[at-1], ready
		})
	}))
	t.Cleanup(listening.Close)
	return s, listening.URL
}

// Frames that were compressed one by one are one stream, for a client that is there from the start
// and for one that comes later.
func TestCompressedStream(t *testing.T) {
	script, url := serve(t, 10)
	open := func() *bufio.Scanner {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip")
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := gzip.NewReader(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return bufio.NewScanner(unpacked)
	}
	next := func(s *bufio.Scanner, want ...string) {
		t.Helper()
		for len(want) > 0 && s.Scan() {
			if got, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				if got != want[0] {
					t.Fatalf("got %.80q, want %.80q", got, want[0])
				}
				want = want[1:]
			}
		}
		if len(want) > 0 {
			t.Fatalf("the stream ended: %v", s.Err())
		}
	}
	long := strings.Repeat("a row ", 1000) // trailing space is data
	script.add(frame("rows", long))
	first := open()
	next(first, `"s"`, long)
	both := frame("change", "1\n")
	both.Add("state", []byte("2"))
	script.add(both)
	next(first, "1", "2")
	second := open()
	next(second, `"s"`, long, "1", "2")
	script.add(frame("change", "3"))
	next(first, "3")
	next(second, "3")
}

// get follows the events at an address until the test ends.
func get(t *testing.T, url string) *http.Response {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestLimit(t *testing.T) {
	_, url := serve(t, 1)
	open := func() *http.Response { return get(t, url) }
	first, second := open(), open()
	if first.StatusCode != 200 || second.StatusCode != 503 || second.Header.Get("Retry-After") == "" {
		t.Errorf("the answers are %d and %d", first.StatusCode, second.StatusCode)
	}
	first.Body.Close()
	servicetest.Eventually(t, "a place becomes free", func() bool { return open().StatusCode == 200 })
}

// A client that does not read holds nobody.
func TestSlowClient(t *testing.T) {
	script, url := serve(t, 10)
	open := func() *http.Response { return get(t, url) }
	open()
	open()
	fast := bufio.NewReader(open().Body)
	begin := time.Now()
	for range 24 {
		script.add(frame("change", strings.Repeat("x", 1<<19)))
	}
	script.add(frame("change", "last"))
	for {
		line, err := fast.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(line, "last\n") {
			break
		}
	}
	if took := time.Since(begin); took > 15*time.Second { // a blocked one ends after 20
		t.Errorf("the fast client waited for %v", took)
	}
}
