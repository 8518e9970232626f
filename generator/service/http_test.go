package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestListen(t *testing.T) {
	t.Parallel()
	l, err := Listen("T_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	_, err = Listen("T_ADDR", taken)
	want := "T_ADDR: cannot listen on " + taken + ": bind: address already in use (set T_ADDR to another address)"
	if err == nil || err.Error() != want {
		t.Errorf("port taken: %v, want %s", err, want)
	}
	for _, address := range []string{"nonsense", "127.0.0.1:99999", "127.0.0.1:http-no"} {
		if _, err := Listen("T_ADDR", address); err == nil ||
			!strings.Contains(err.Error(), "T_ADDR: cannot listen on "+address) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// serve runs a server until the test or stop ends it; done gives Serve's result.
func serve(t *testing.T, handler http.Handler) (address string, stop context.CancelFunc, done <-chan error) {
	t.Helper()
	l, err := Listen("T_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- Serve(ctx, slog.New(slog.DiscardHandler), l, handler) }()
	t.Cleanup(cancel)
	return l.Addr().String(), cancel, result
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestMux(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "colorstream_test_total", Help: "A test."})
	registry.MustRegister(counter)
	counter.Inc()
	h := new(Health)
	condition := h.Condition("x", "")
	address, stop, done := serve(t, Mux(h, registry))
	want := func(path string, status int, words string) {
		t.Helper()
		if got, body := fetch(t, "http://"+address+path); got != status ||
			!strings.Contains(body, words) {
			t.Errorf("%s answers %d %s", path, got, body)
		}
	}
	want("/healthz", 200, fmt.Sprintf("ok %d\n", os.Getpid()))
	want("/readyz", 503, `"ready":false`)
	condition.Set(nil)
	want("/readyz", 200, `"ready":true`)
	want("/metrics", 200, "colorstream_test_total 1")
	want("/other", 404, "")
	response, err := http.Post("http://"+address+"/healthz", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST answers %d", response.StatusCode)
	}

	if err := CheckHealth(t.Context(), address); err != nil {
		t.Errorf("healthy: %v", err)
	}
	_, port, _ := net.SplitHostPort(address)
	for _, everywhere := range []string{":" + port, "0.0.0.0:" + port} {
		if err := CheckHealth(t.Context(), everywhere); err != nil {
			t.Errorf("%s: %v", everywhere, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("stopped: %v", err)
	}
	if err := CheckHealth(t.Context(), address); err == nil ||
		!strings.HasPrefix(err.Error(), "not healthy: ") {
		t.Errorf("stopped, but %v", err)
	}
	if err := CheckHealth(t.Context(), "nonsense"); err == nil ||
		!strings.Contains(err.Error(), `"nonsense"`) {
		t.Errorf("no address: %v", err)
	}
}

func TestCheckHealthOfAnotherServer(t *testing.T) {
	t.Parallel()
	address, _, _ := serve(t, http.NotFoundHandler())
	if err := CheckHealth(t.Context(), address); err == nil ||
		!strings.Contains(err.Error(), "answers 404") {
		t.Errorf("%v", err)
	}
}

// A request under way is finished when the server stops; it sees the stop.
func TestServeStopsGracefully(t *testing.T) {
	t.Parallel()
	begun, sawStop := make(chan struct{}), make(chan struct{})
	address, stop, done := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(sawStop)
		_, _ = io.WriteString(w, "finished")
	}))
	body := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + address)
		if err != nil {
			body <- err.Error()
			return
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		body <- string(text) + errorText(err)
	}()
	<-begun
	stop()
	<-sawStop
	if got := <-body; got != "finished" {
		t.Errorf("the client gets %q", got)
	}
	if err := <-done; err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A request that does not end is cut off after two seconds.
func TestServeCutsOff(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	address, stop, done := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-release
	}))
	defer close(release)
	cut := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + address)
		if err == nil {
			response.Body.Close()
		}
		cut <- err
	}()
	<-begun
	start := time.Now()
	stop()
	if err := <-done; err != nil {
		t.Errorf("stopped: %v", err)
	}
	if took := time.Since(start); took < time.Second || took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if err := <-cut; err == nil {
		t.Error("the request was answered")
	}
}

func TestServeFails(t *testing.T) {
	t.Parallel()
	l, err := Listen("T_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err = Serve(t.Context(), slog.New(slog.DiscardHandler), l, http.NotFoundHandler())
	if !errors.Is(err, net.ErrClosed) ||
		!strings.Contains(err.Error(), "serve HTTP on "+l.Addr().String()) {
		t.Errorf("%v", err)
	}
}

func TestServeThatIsStoppedAlready(t *testing.T) {
	t.Parallel()
	l, err := Listen("T_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Serve(ctx, slog.New(slog.DiscardHandler), l, http.NotFoundHandler()); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is left open: %v", err)
	}
}
