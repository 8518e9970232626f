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
)

func frames(name, data string) func() *Frame {
	return func() *Frame { return NewFrame(name, []byte(data)) }
}

func text(list []*Frame) string {
	var b strings.Builder
	for _, f := range list {
		b.Write(f.text)
	}
	return b.String()
}

func TestFeed(t *testing.T) {
	f := NewFeed(frames("rows", "0"))
	got, cursor, more := f.read(0)
	if text(got) != "event: rows\ndata: 0\n\n" {
		t.Errorf("a new client gets %q", text(got))
	}
	f.Publish(NewFrame("change", []byte("1\n")), frames("rows", "1"))
	select {
	case <-more:
	default:
		t.Error("nobody is told of a change")
	}
	if got, cursor, _ = f.read(cursor); text(got) != "event: change\ndata: 1\n\n" {
		t.Errorf("then %q", text(got))
	}
	if got, _, _ = f.read(cursor); len(got) != 0 {
		t.Errorf("then %q", text(got))
	}
	for range maxChanges + 1 {
		f.Publish(NewFrame("change", []byte("n")), frames("rows", "whole"))
	}
	if got, _, _ = f.read(cursor); text(got) != "event: rows\ndata: whole\n\n" {
		t.Errorf("a slow client gets %q", text(got))
	}
}

func serve(t *testing.T, s *Server, state, view *Feed) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Serve(w, r, state, view) }))
	t.Cleanup(server.Close)
	return server.URL
}

// Frames that were compressed one by one are one stream, for a client that is there from the start
// and for one that comes later.
func TestCompressedStream(t *testing.T) {
	state, view := NewFeed(frames("state", `"s"`)), NewFeed(frames("rows", strings.Repeat("a row ", 1000)))
	url := serve(t, NewServer(10, prometheus.NewRegistry()), state, view)
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
	next := func(s *bufio.Scanner, want string) {
		t.Helper()
		for s.Scan() {
			if after, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				if got := after; got != want {
					t.Fatalf("got %.80q, want %.80q", got, want)
				}
				return
			}
		}
		t.Fatalf("the stream ended: %v", s.Err())
	}
	first := open()
	next(first, `"s"`)
	next(first, strings.Repeat("a row ", 1000)) // trailing space is data
	view.Publish(NewFrame("change", []byte("1")), frames("rows", "one"))
	next(first, "1")
	second := open()
	next(second, `"s"`)
	next(second, "one")
	view.Publish(NewFrame("change", []byte("2")), frames("rows", "two"))
	next(first, "2")
	next(second, "2")
}

func TestLimit(t *testing.T) {
	state, view := NewFeed(frames("state", "0")), NewFeed(frames("rows", "0"))
	url := serve(t, NewServer(1, prometheus.NewRegistry()), state, view)
	first, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Body.Close()
	second, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Body.Close()
	if first.StatusCode != 200 || second.StatusCode != 503 || second.Header.Get("Retry-After") == "" {
		t.Errorf("the answers are %d and %d", first.StatusCode, second.StatusCode)
	}
	first.Body.Close()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		third, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		third.Body.Close()
		if third.StatusCode == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a place does not become free")
		}
	}
}

// A client that does not read holds nobody.
func TestSlowClient(t *testing.T) {
	state, view := NewFeed(frames("state", "0")), NewFeed(frames("rows", "0"))
	url := serve(t, NewServer(10, prometheus.NewRegistry()), state, view)
	for range 2 {
		slow, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { slow.Body.Close() })
	}
	fast, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer fast.Body.Close()
	var reading sync.WaitGroup
	begin := time.Now()
	reading.Go(func() {
		reader := bufio.NewReader(fast.Body)
		for {
			line, err := reader.ReadString('\n')
			if err != nil || strings.HasSuffix(line, "last\n") {
				return
			}
		}
	})
	big := []byte(strings.Repeat("x", 1<<19))
	for range 24 {
		view.Publish(NewFrame("change", big), frames("rows", "0"))
		time.Sleep(5 * time.Millisecond)
	}
	view.Publish(NewFrame("change", []byte("last")), frames("rows", "last"))
	reading.Wait()
	if took := time.Since(begin); took > 15*time.Second { // a blocked one ends after 20
		t.Errorf("the fast client waited for %v", took)
	}
}
