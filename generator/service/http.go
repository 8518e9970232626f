package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // on http.DefaultServeMux, which nothing else serves
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Listen opens the TCP address that the variable gives. Its error tells which variable to change.
func Listen(variable, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		err = fmt.Errorf("%s: %w (set %[1]s to another address)", variable, err)
	}
	return l, err
}

// Mux answers the operator's requests: /healthz with 200 while the process lives, and its process
// id ("ok 4711"), by which a launcher knows it from another on the same port; /readyz as Health
// does; /metrics in Prometheus' text format.
func Mux(health *Health, metrics prometheus.Gatherer) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "ok %d\n", os.Getpid())
	})
	mux.Handle("GET /readyz", health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return mux
}

// Serve answers requests until ctx ends, then lets those under way finish for up to two seconds.
// Requests see ctx end too, so that those without an end of their own can stop.
func Serve(ctx context.Context, log *slog.Logger, l net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		_ = server.Close() // the time is up: whoever still reads is cut off
	}
	<-served // or the listener might still be open
	return nil
}

// ServeProfiles serves net/http/pprof's profiles under /debug/pprof/ until ctx ends; without an
// address it returns at once. The address must be of this machine alone: a profile shows what is in
// memory.
func ServeProfiles(ctx context.Context, log *slog.Logger, variable, address string) error {
	if address == "" {
		return nil
	}
	l, err := Listen(variable, address)
	if err != nil {
		return err
	}
	if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
		const problem = "is not an address of this machine alone, such as 127.0.0.1:6060"
		return errors.Join(Usage(Invalid(variable, address, problem)), l.Close())
	}
	log.Warn("profiles can be read by everybody on this machine",
		"url", "http://"+l.Addr().String()+"/debug/pprof/")
	return Serve(ctx, log, l, http.DefaultServeMux)
}

// Get asks the program that listens on address, of this machine if that has no host.
func Get(ctx context.Context, address, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", request.URL, response.Status)
	}
	return io.ReadAll(response.Body)
}
