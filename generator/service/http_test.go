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
	want := "T_ADDR: listen tcp " + taken +
		": bind: address already in use (set T_ADDR to another address)"
	if err == nil || err.Error() != want {
		t.Errorf("port taken: %v, want %s", err, want)
	}
	for _, address := range []string{"nonsense", "127.0.0.1:99999", "127.0.0.1:http-no"} {
		if _, err := Listen("T_ADDR", address); err == nil ||
			!strings.Contains(err.Error(), "T_ADDR: listen tcp: ") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// serve runs a server until the test or stop ends it; done gives Serve's result.
func serve(t *testing.T, handler http.Handler) (
	address string, stop context.CancelFunc, done <-chan error,
) {
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

// fetch is the status and the text of an answer, or the error.
func fetch(url string) (status int, text string) {
	client := http.Client{Timeout: 10 * time.Second} // not what hangs
	response, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

func TestMux(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "colorstream_test_total"})
	registry.MustRegister(counter)
	counter.Inc()
	h := new(Health)
	condition := h.Condition("x", "")
	address, stop, done := serve(t, Mux(h, registry))
	want := func(path string, status int, words string) {
		t.Helper()
		if got, body := fetch("http://" + address + path); got != status ||
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

	if err := checkHealth(t, address); err != nil {
		t.Errorf("healthy: %v", err)
	}
	_, port, _ := strings.Cut(address, ":")
	for _, all := range []string{":", "0.0.0.0:"} {
		if err := checkHealth(t, all+port); err != nil {
			t.Errorf("a program that listens on %s: %v", all+port, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("stopped: %v", err)
	}
	if err := checkHealth(t, address); err == nil ||
		!strings.HasPrefix(err.Error(), "not healthy: ") {
		t.Errorf("stopped, but %v", err)
	}
	if err := checkHealth(t, "nonsense"); err == nil ||
		!strings.Contains(err.Error(), `nonsense`) {
		t.Errorf("no address: %v", err)
	}
}

// checkHealth asks a program as a container's health check does.
func checkHealth(t *testing.T, address string) error {
	return Program{Addr: "T_ADDR", Config: struct{}{}}.Run(t.Context(), Process{
		Args: []string{"healthcheck"}, Environ: map[string]string{"T_ADDR": address},
	})
}

func TestCheckHealthOfAnotherServer(t *testing.T) {
	t.Parallel()
	address, _, _ := serve(t, http.NotFoundHandler())
	if err := checkHealth(t, address); err == nil ||
		!strings.Contains(err.Error(), "answers 404") {
		t.Errorf("%v", err)
	}
}

// A request under way sees the stop, and is finished; one that does not end is cut off after two
// seconds.
func TestServeStops(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{true, false} {
		begun, release := make(chan struct{}), make(chan struct{})
		address, stop, done := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
			if !ends {
				<-release
			}
			_, _ = io.WriteString(w, "finished")
		}))
		answer := make(chan string, 1)
		go func() {
			_, text := fetch("http://" + address)
			answer <- text
		}()
		<-begun
		start := time.Now()
		stop()
		if err := <-done; err != nil {
			t.Errorf("stopped: %v", err)
		}
		if took := time.Since(start); !ends && took < time.Second || took > 10*time.Second {
			t.Errorf("ends %v: stopping took %s", ends, took)
		}
		if got := <-answer; (got == "finished") != ends || strings.Contains(got, "Timeout") {
			t.Errorf("ends %v: the client gets %q", ends, got)
		}
		close(release)
	}
}

func TestServeWithoutListener(t *testing.T) {
	t.Parallel()
	serve := func(ctx context.Context, l net.Listener) error {
		return Serve(ctx, slog.New(slog.DiscardHandler), l, http.NotFoundHandler())
	}
	closed, err := Listen("T_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if err := serve(t.Context(), closed); !errors.Is(err, net.ErrClosed) ||
		!strings.Contains(err.Error(), "serve HTTP on "+closed.Addr().String()) {
		t.Errorf("a closed listener: %v", err)
	}
	open, err := Listen("T_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := serve(ctx, open); err != nil {
		t.Errorf("stopped before it begins: %v", err)
	}
	if _, err := open.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is left open: %v", err)
	}
}
