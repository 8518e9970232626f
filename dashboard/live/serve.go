package live

import (
	"errors"
	"net"
	"net/http"
	"strings"
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

// A Server lets clients follow feeds.
type Server struct {
	limit   int64
	clients atomic.Int64
	gauge   prometheus.Gauge
	sent    prometheus.Counter
	ended   *prometheus.CounterVec
}

// NewServer makes a server for at most limit clients.
func NewServer(limit int, metrics prometheus.Registerer) *Server {
	factory := promauto.With(metrics)
	s := &Server{
		limit: int64(limit),
		gauge: factory.NewGauge(prometheus.GaugeOpts{
			Name: "colorstream_sse_clients", Help: "Clients that follow the event stream.",
		}),
		sent: factory.NewCounter(prometheus.CounterOpts{
			Name: "colorstream_sse_sent_total", Help: "Events written to clients.",
		}),
		ended: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "colorstream_sse_ended_total",
			Help: "Event streams that ended: the client left, it was too slow, or there were too many.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{"left", "slow", "rejected"} {
		s.ended.WithLabelValues(reason)
	}
	return s
}

// Serve sends two feeds' events until the client or the program ends. Beyond the limit it answers
// 503: the page then asks from time to time instead.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, state, view *Feed) {
	if s.clients.Add(1) > s.limit {
		s.clients.Add(-1)
		s.ended.WithLabelValues("rejected").Inc()
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many event streams are open", http.StatusServiceUnavailable)
		return
	}
	s.gauge.Inc()
	reason := "left"
	defer func() {
		s.clients.Add(-1)
		s.gauge.Dec()
		s.ended.WithLabelValues(reason).Inc()
	}()
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
	if err := s.follow(w, r, packed, state, view); err != nil {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			reason = "slow"
		}
	}
}

func (s *Server) follow(w http.ResponseWriter, r *http.Request, packed bool, state, view *Feed) error {
	controller := http.NewResponseController(w)
	send := func(frames ...*Frame) error {
		if err := controller.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		for _, frame := range frames {
			text := frame.text
			if packed {
				text = frame.compressed()
			}
			if _, err := w.Write(text); err != nil {
				return err
			}
		}
		return controller.Flush()
	}
	if packed {
		if _, err := w.Write([]byte(gzipHeader)); err != nil {
			return err
		}
	}
	if err := send(&Frame{text: []byte(hello)}); err != nil {
		return err
	}
	var stateCursor, viewCursor uint64
	for {
		frames, after, moreState := state.read(stateCursor)
		stateCursor = after
		rows, after, moreView := view.read(viewCursor)
		viewCursor = after
		if frames = append(frames, rows...); len(frames) > 0 {
			if err := send(frames...); err != nil {
				return err
			}
			s.sent.Add(float64(len(frames)))
		}
		select {
		case <-moreState:
		case <-moreView:
		case <-r.Context().Done():
			return nil
		}
	}
}
