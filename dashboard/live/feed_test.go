package live

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func newFeed() *Feed {
	return NewFeed(time.UnixMilli(36*36), func() []byte { return []byte(`"all"`) })
}

// texts are the frames without their ends.
func texts(frames [][]byte) []string {
	var list []string
	for _, f := range frames {
		list = append(list, strings.TrimSuffix(string(f), "\n\n"))
	}
	return list
}

func TestFeed(t *testing.T) {
	f := newFeed()
	check := func(what, id string, want ...string) place {
		t.Helper()
		frames, after, _ := f.read(f.resume(id))
		if diff := cmp.Diff(want, texts(frames)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		return after
	}
	check("an empty feed", "", "id: 100-0\nevent: snapshot\ndata: \"all\"")
	f.Publish("windows", []byte("1\n"))
	f.Publish("windows", []byte("2"))
	two := "id: 100-2\nevent: windows\ndata: 2"
	check("no id", "", "id: 100-2\nevent: snapshot\ndata: \"all\"")
	check("the first event's id", "100-1", two)
	check("another run's id", "zz-1", "id: 100-2\nevent: snapshot\ndata: \"all\"")
	check("an id from the future", "100-9", "id: 100-2\nevent: snapshot\ndata: \"all\"")
	check("nonsense", "<img>", "id: 100-2\nevent: snapshot\ndata: \"all\"")
	check("the snapshot of the empty feed", "100-0", "id: 100-1\nevent: windows\ndata: 1", two)
	f.SetState([]byte("good"))
	after := check("the newest id", "100-2", "event: state\ndata: good")
	if frames, _, _ := f.read(after); len(frames) != 0 {
		t.Errorf("read twice: %q", texts(frames))
	}
}

func TestFeedWakesItsReaders(t *testing.T) {
	f := newFeed()
	_, at, more := f.read(place{})
	select {
	case <-more:
		t.Fatal("woken by nothing")
	default:
	}
	f.Publish("windows", []byte("1"))
	<-more
	frames, _, _ := f.read(at)
	if diff := cmp.Diff([]string{"id: 100-1\nevent: windows\ndata: 1"}, texts(frames)); diff != "" {
		t.Error(diff)
	}
}

func TestFeedIsBounded(t *testing.T) {
	f := newFeed()
	for range 10 * maxEvents {
		f.Publish("windows", []byte("1"))
	}
	if len(f.frames) != maxEvents {
		t.Errorf("%d events are kept", len(f.frames))
	}
	frames, _, _ := f.read(f.resume("100-1"))
	if len(frames) != 1 || !strings.Contains(string(frames[0]), "snapshot") {
		t.Errorf("a reader who fell behind gets %q", texts(frames))
	}
	large := bytes.Repeat([]byte("x"), maxBytes/3)
	for range 5 {
		f.Publish("windows", large)
	}
	if f.bytes > maxBytes || len(f.frames) != 2 {
		t.Errorf("%d events of %d bytes are kept", len(f.frames), f.bytes)
	}
}

// connect follows a feed over HTTP. The function returns the next event, "" at the end.
func connect(t *testing.T, url, last string) (next func() string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		return func() string { return response.Status }
	}
	lines := bufio.NewReader(response.Body)
	return func() string {
		var event strings.Builder
		for {
			line, err := lines.ReadString('\n')
			if err != nil || line == "\n" {
				return strings.TrimSuffix(event.String(), "\n")
			}
			event.WriteString(line)
		}
	}
}

func TestServer(t *testing.T) {
	f := newFeed()
	registry := prometheus.NewRegistry()
	s := NewServer(f, 2, registry)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	f.SetState([]byte("good"))

	next := connect(t, server.URL, "")
	want := func(next func() string, prefix string) {
		t.Helper()
		if got := next(); !strings.HasPrefix(got, prefix) {
			t.Fatalf("got %q, want %q", got, prefix)
		}
	}
	want(next, "retry: 2000")
	want(next, "event: beat\ndata: {\"now\":\"2")
	want(next, "event: state\ndata: good")
	want(next, "id: 100-0\nevent: snapshot")
	f.Publish("windows", []byte("1"))
	want(next, "id: 100-1\nevent: windows\ndata: 1")
	f.SetState([]byte("bad"))
	want(next, "event: state\ndata: bad")

	again := connect(t, server.URL, "100-0")
	want(again, "retry")
	want(again, "event: beat")
	want(again, "event: state\ndata: bad")
	want(again, "id: 100-1\nevent: windows\ndata: 1")

	want(connect(t, server.URL, ""), "503")
	if got := testutil.ToFloat64(s.gauge); got != 2 {
		t.Errorf("%v clients are counted, want 2", got)
	}
}

// A client that reads nothing holds nobody: the others get their events at once.
func TestSlowClientHoldsNobody(t *testing.T) {
	f := newFeed()
	server := httptest.NewServer(NewServer(f, 10, prometheus.NewRegistry()))
	t.Cleanup(server.Close)
	slow, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slow.Close() })
	if _, err := io.WriteString(slow, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	next := connect(t, server.URL, "")
	for range 3 {
		next()
	}
	large := bytes.Repeat([]byte("x"), 1<<20) // more than the sockets' buffers hold after a few
	for i := range 20 {
		start := time.Now()
		f.Publish("windows", large)
		if got := next(); !strings.HasPrefix(got, fmt.Sprintf("id: 100-%d\n", i+1)) {
			t.Fatalf("event %d: got %.40q", i+1, got)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("event %d took %v", i+1, took)
		}
	}
}
