package influxd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"colorstream/influxdb/process"
)

const (
	startTimeout = 60 * time.Second // an old data folder may need a while to load
	stopTimeout  = 15 * time.Second
	pollInterval = 20 * time.Millisecond
)

// Config says how a [Server] runs.
type Config struct {
	Binary string    // from [Find]
	Addr   string    // host:port to listen on
	Dir    string    // keeps all data; made if need be
	Log    io.Writer // receives what influxd prints; nil discards it
}

// Server is a running influxd.
type Server struct {
	*process.Process
	url string
}

// Start runs influxd and waits until it answers. The caller must Stop it, also
// when ctx, which only bounds the start, has ended.
func Start(ctx context.Context, config Config) (*Server, error) {
	if _, _, err := net.SplitHostPort(config.Addr); err != nil {
		return nil, fmt.Errorf("influxd: listen on %q: %w", config.Addr, err)
	}
	// Were the port another's, that one's answer would pass for ours.
	free, err := net.Listen("tcp", config.Addr)
	if err != nil {
		return nil, fmt.Errorf("influxd: %w", err)
	}
	free.Close()
	p, err := process.Start(process.Spec{
		Path:   config.Binary,
		Args:   Args(config.Addr, config.Dir),
		Output: config.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("influxd: %w", err)
	}
	s := &Server{Process: p, url: "http://" + config.Addr}
	if err := s.waitHealthy(ctx); err != nil {
		p.Kill()
		return nil, err
	}
	return s, nil
}

// Args returns the arguments that make influxd listen on addr and keep its
// data under dir. It then tells nobody about its use, prints errors only, and
// refuses Flux that connects to private addresses: whoever may query, may not
// reach the machine's other services through it.
func Args(addr, dir string) []string {
	return []string{
		"run",
		"--http-bind-address=" + addr,
		"--bolt-path=" + filepath.Join(dir, "influxd.bolt"),
		"--sqlite-path=" + filepath.Join(dir, "influxd.sqlite"),
		"--engine-path=" + filepath.Join(dir, "engine"),
		"--reporting-disabled",
		"--hardening-enabled",
		"--log-level=error",
	}
}

// URL returns where the server answers.
func (s *Server) URL() string { return s.url }

// Stop ends the server: politely first, so that it leaves no lock behind.
func (s *Server) Stop() error {
	if err := s.Process.Stop(stopTimeout); err != nil {
		return fmt.Errorf("influxd: %w", err)
	}
	return nil
}

func (s *Server) waitHealthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if healthy(ctx, client, s.url) {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.Done():
			return fmt.Errorf("influxd ended while starting (%w):\n%s", s.ending(), strings.Join(s.Tail(), "\n"))
		case <-ctx.Done():
			return fmt.Errorf("influxd does not answer at %s: %w\n%s", s.url, context.Cause(ctx), strings.Join(s.Tail(), "\n"))
		}
	}
}

func (s *Server) ending() error {
	if err := s.Err(); err != nil {
		return err
	}
	return fmt.Errorf("exit status 0")
}

// healthy tells whether influxd answers, which it does only after its storage
// engine has opened.
func healthy(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}
