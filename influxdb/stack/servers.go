package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"

	"colorstream/generator/process"
	"colorstream/generator/service"
	"colorstream/influxdb/influxd"
)

const (
	serverPatience  = 60 * time.Second // InfluxDB and Redis may have much to load
	serverGrace     = 15 * time.Second
	programPatience = 20 * time.Second
	programGrace    = 15 * time.Second // the worker takes up to 5 s to send what it can
	grafanaPatience = 120 * time.Second
)

// standInCommand makes this program the stand-in for Redis.
const standInCommand = "redis-stand-in"

// findRedis decides between the user's Redis, the machine's redis-server and the stand-in.
func (s *stack) findRedis() {
	s.redis.listen, s.redis.ours = s.ours("redis", s.RedisURL, "6379")
	if u, err := url.Parse(s.RedisURL); err != nil || u.Scheme != "redis" {
		s.redis.ours = false // TLS and Unix sockets are for those who have set them up
	}
	if !s.redis.ours {
		return
	}
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.redis.note = "a built-in stand-in: what is in it is lost at the end (install redis-server for a real one)"
		s.out.say("redis-server is not installed: a small built-in stand-in takes its place")
		return
	}
	s.redis.path = path
}

func (s *stack) redisPart() (part, error) {
	p := part{name: "redis", quiet: true, patience: serverPatience, grace: serverGrace, ready: accepts(s.redis.listen)}
	u, err := url.Parse(s.RedisURL)
	if err != nil {
		return p, err
	}
	password, _ := u.User.Password()
	if s.redis.path == "" {
		self, err := os.Executable()
		p.spec = process.Command{
			Path: self, Args: []string{standInCommand},
			Env: s.environ(map[string]string{"REDIS_LISTEN": s.redis.listen, "REDIS_PASSWORD": password}),
		}
		return p, err
	}
	folder := filepath.Join(s.Data, "redis")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return p, err
	}
	host, port, err := net.SplitHostPort(s.redis.listen)
	if err != nil {
		return p, err
	}
	lines := []string{
		"# Written anew at each start.",
		"bind " + host, "port " + port, "dir " + quote(folder),
		"appendonly yes", // a stream is to outlive a restart
		"save \"\"", "loglevel warning", "daemonize no",
	}
	if password != "" {
		lines = append(lines, "requirepass "+quote(password))
	}
	path := filepath.Join(folder, "redis.conf")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return p, err
	}
	p.spec = process.Command{Path: s.redis.path, Args: []string{path}, Dir: folder}
	return p, nil
}

// quote writes a string for redis.conf.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// serveStandIn is a Redis in this process, good for trying Colorstream, until ctx ends.
func serveStandIn(ctx context.Context, p service.Process) error {
	m := miniredis.NewMiniRedis()
	if password := p.Environ["REDIS_PASSWORD"]; password != "" {
		m.RequireAuth(password)
	}
	if err := m.StartAddr(p.Environ["REDIS_LISTEN"]); err != nil {
		return err
	}
	<-ctx.Done()
	m.Close()
	return nil
}

func (s *stack) influxPart() (part, error) {
	folder := filepath.Join(s.Data, "influxdb")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return part{}, err
	}
	return part{
		name: "influxd", quiet: true,
		boring:   "service=scraper", // it says so every 10 seconds when a program that it scrapes has ended
		patience: serverPatience, grace: serverGrace,
		ready: answers("http://" + s.influx.listen + "/health"),
		// influxd reads a config file where it is started: from a folder that has none.
		spec: process.Command{Path: s.influx.path, Args: influxd.Args(s.influx.listen, folder), Dir: folder},
	}, nil
}

// accepts is ready when somebody listens on addr.
func accepts(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	}
}

// answers is ready when a GET succeeds.
func answers(url string) func(context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}

// build compiles our programs into bin. Without a Go toolchain those that are there must do.
func (s *stack) build(ctx context.Context) error {
	programs := []string{"generator", "worker", "dashboard", "influxdb"}
	if _, err := exec.LookPath("go"); err != nil {
		for _, name := range programs {
			if _, err := os.Stat(filepath.Join(s.bin, name)); err != nil {
				return fmt.Errorf("the programs are not built, and there is no go to build them: install Go 1.26 from https://go.dev/dl: %w", err)
			}
		}
		return nil
	}
	if _, err := os.Stat(filepath.Join(s.bin, "worker")); errors.Is(err, os.ErrNotExist) {
		s.out.say("building the programs, which takes about a minute the first time")
	}
	args := []string{"-o", s.bin + string(filepath.Separator)}
	for _, name := range programs {
		args = append(args, "./"+name)
	}
	if err := s.goBuild(ctx, args...); err != nil {
		return fmt.Errorf("building the programs failed: %w", err)
	}
	return nil
}

// goBuild runs go build in the checkout.
func (s *stack) goBuild(ctx context.Context, args ...string) error {
	w := s.out.part("go")
	defer w.flush()
	p, err := process.Start(process.Command{
		Path: "go", Args: append([]string{"build"}, args...), Dir: s.root, Output: w,
		Env: s.environ(map[string]string{"GOWORK": filepath.Join(s.root, "go.work")}),
	})
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		_ = p.Stop(time.Second)
		return context.Cause(ctx)
	}
	if p.Err() != nil {
		return fmt.Errorf("%w:\n    %s", p.Err(), strings.Join(p.Tail(), "\n    "))
	}
	return nil
}
