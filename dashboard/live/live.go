// Package live sends events to any number of browsers as they happen (server-sent events,
// https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// Each client takes what is new at its own pace; nobody waits for a client. A frame that many take
// is encoded and compressed once, however many they are.
package live

import (
	"bytes"
	"compress/flate"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const (
	// writeTimeout is how long a client may take to accept what is sent at once.
	writeTimeout = 20 * time.Second
	// hello tells a browser how many milliseconds to wait before it connects again.
	hello = "retry: 2000\n\n"
	// gzipHeader begins a gzip stream (RFC 1952). Its end never comes.
	gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
)

// A Frame is one event, or several, as they are sent. The zero value is empty.
type Frame struct {
	text   []byte
	once   sync.Once
	packed []byte
}

// Add appends an event, before the frame is sent. Its data is one line.
func (f *Frame) Add(name string, data []byte) {
	f.text = append(f.text, "event: "+name+"\ndata: "...)
	f.text = append(f.text, bytes.TrimSuffix(data, []byte("\n"))...)
	f.text = append(f.text, "\n\n"...)
}

var packers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil { // the level is valid
		panic(err)
	}
	return w
}}

// compressed returns the frame as DEFLATE blocks that refer to nothing before them and end on a
// byte: put one behind another they are one stream.
func (f *Frame) compressed() []byte {
	f.once.Do(func() {
		var b bytes.Buffer
		w := packers.Get().(*flate.Writer)
		defer packers.Put(w)
		w.Reset(&b)
		_, _ = w.Write(f.text) // a buffer takes all
		_ = w.Flush()
		f.packed = b.Bytes()
	})
	return f.packed
}

// A Server lets clients follow events.
type Server struct {
	limit   int64
	clients atomic.Int64
}

// NewServer makes a server for at most limit clients.
func NewServer(limit int, metrics prometheus.Registerer) *Server {
	s := &Server{limit: int64(limit)}
	promauto.With(metrics).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "colorstream_sse_clients", Help: "Clients that follow the event stream.",
	}, func() float64 { return float64(s.clients.Load()) })
	return s
}

// Serve sends a first frame and then what next returns, until the client or the program ends: what
// there is, and whenever the channel that came with the last frame is closed, what is new. Beyond
// the limit it answers 503: the page then asks from time to time instead.
func (s *Server) Serve(
	w http.ResponseWriter, r *http.Request, first *Frame, next func() (*Frame, <-chan struct{}),
) {
	defer s.clients.Add(-1)
	if s.clients.Add(1) > s.limit {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many event streams are open", http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Accel-Buffering", "no") // or nginx keeps events back
	packed := strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	if packed {
		h.Set("Content-Encoding", "gzip")
	}
	if r.Method == http.MethodHead {
		return
	}
	if packed {
		_, _ = w.Write([]byte(gzipHeader)) // what fails now fails below
	}
	controller := http.NewResponseController(w)
	send := func(f *Frame) error {
		if err := controller.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		text := f.text
		if packed && len(text) > 0 {
			text = f.compressed()
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		return controller.Flush()
	}
	if send(&Frame{text: []byte(hello)}) != nil || send(first) != nil {
		return
	}
	for {
		frame, more := next()
		if len(frame.text) > 0 && send(frame) != nil {
			return // it left, or is too slow
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}
