package live

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// beatInterval is the time between two beats.
	beatInterval = 10 * time.Second
	// writeTimeout is how long a client may take to accept what is sent at once.
	writeTimeout = 20 * time.Second
	// retryMilliseconds is how long a browser waits before it connects again.
	retryMilliseconds = 2000
)

// A Server lets clients follow a feed.
type Server struct {
	feed    *Feed
	limit   int64
	clients atomic.Int64
	gauge   prometheus.Gauge
	sent    prometheus.Counter
	ended   *prometheus.CounterVec
}

// NewServer makes a server for at most limit clients.
func NewServer(feed *Feed, limit int, metrics prometheus.Registerer) *Server {
	s := &Server{
		feed: feed, limit: int64(limit),
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "colorstream_sse_clients", Help: "Clients that follow the event stream.",
		}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "colorstream_sse_sent_total", Help: "Events written to clients, without the beats.",
		}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "colorstream_sse_ended_total",
			Help: "Event streams that ended: the client left, it was too slow, or there were too many.",
		}, []string{"reason"}),
	}
	metrics.MustRegister(s.gauge, s.sent, s.ended)
	for _, reason := range []string{"left", "slow", "refused"} {
		s.ended.WithLabelValues(reason)
	}
	return s
}

// ServeHTTP sends events until the client or the program ends. Beyond the limit it answers 503: the page then asks
// for /latest from time to time instead.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.clients.Add(1) > s.limit {
		s.clients.Add(-1)
		s.ended.WithLabelValues("refused").Inc()
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
	h.Set("X-Accel-Buffering", "no") // or nginx keeps events back
	if r.Method == http.MethodHead {
		return
	}
	if err := s.follow(w, r); err != nil {
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			reason = "slow"
		}
	}
}

func (s *Server) follow(w http.ResponseWriter, r *http.Request) error {
	controller := http.NewResponseController(w)
	send := func(frames ...[]byte) error {
		if err := controller.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		for _, frame := range frames {
			if _, err := w.Write(frame); err != nil {
				return err
			}
		}
		return controller.Flush()
	}
	if err := send(fmt.Appendf(nil, "retry: %d\n\n", retryMilliseconds), beat(time.Now())); err != nil {
		return err
	}
	beats := time.NewTicker(beatInterval)
	defer beats.Stop()
	at := s.feed.resume(r.Header.Get("Last-Event-ID"))
	for {
		frames, after, more := s.feed.read(at)
		if len(frames) > 0 {
			if err := send(frames...); err != nil {
				return err
			}
			s.sent.Add(float64(len(frames)))
		}
		at = after
		select {
		case <-more:
		case now := <-beats.C:
			if err := send(beat(now)); err != nil {
				return err
			}
		case <-r.Context().Done():
			return nil
		}
	}
}

func beat(now time.Time) []byte {
	return encode("", "beat", []byte(`{"now":"`+now.UTC().Format("2006-01-02T15:04:05.000Z")+`"}`))
}
