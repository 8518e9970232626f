package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"colorstream/generator/process"
	"colorstream/generator/service"
)

const (
	programTimeout = 20 * time.Second // to be ready
	grafanaTimeout = 120 * time.Second
	stopTimeout    = 15 * time.Second // the worker takes up to 5 s to send what it can
	stopAllTimeout = 90 * time.Second
)

// stack is one run of everything.
type stack struct {
	config
	root, bin string            // the checkout, and the folder of our programs
	environ   map[string]string // the user's, with what the launcher decides for all programs
	out       *log.Logger       // the screen
	children  []child           // in the order of their start
	workers   []string          // their addresses

	redis, influx, grafana server
}

type child struct {
	name string
	*process.Process
}

// server is a program that others connect to.
type server struct {
	listen  string // where it is to listen; "" if it is not started here
	path    string // its program
	note    string // what the summary says of it
	process *process.Process
}

// up runs the stack until ctx ends or one of its programs does.
func up(ctx context.Context, p service.Process, c config) error {
	root, err := checkout()
	if err != nil {
		return err
	}
	if !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(root, c.Data)
	}
	lock, err := acquire(c.Data)
	if err != nil {
		return err
	}
	defer lock.Close()
	s := &stack{
		config: c, root: root, bin: filepath.Join(root, "bin"),
		environ: maps.Clone(p.Environ), out: log.New(p.Stdout, "", 0),
	}
	if err = s.start(ctx); err == nil {
		s.out.Print(s.summary() + "\n")
		err = s.watch(ctx)
	}
	switch {
	case ctx.Err() != nil:
		err = nil
		s.say("stopping; a second Ctrl-C ends it at once")
	case len(s.children) > 0:
		line, _, _ := strings.Cut(err.Error(), "\n")
		s.say("stopping: %s", line)
	}
	err = errors.Join(s.stop(), err) // its cause last: that is what one looks for
	if err == nil {
		s.say("stopped")
	}
	return err
}

// start finds every program, looks whether every port is free, and starts all.
func (s *stack) start(ctx context.Context) error {
	if err := s.scaleOut(); err != nil {
		return err
	}
	if err := s.findRedis(); err != nil {
		return err
	}
	s.influx.listen = s.local("influxdb", s.Influx.URL, "8086")
	s.findGrafana()
	parts := s.parts()
	if err := checkPorts(parts); err != nil {
		return err
	}
	for _, p := range parts {
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) tokens() string { return filepath.Join(s.Data, "tokens") }

func (s *stack) token(name string) map[string]string {
	path := filepath.Join(s.tokens(), name)
	return map[string]string{"INFLUX_TOKEN": "", "INFLUX_TOKEN_FILE": path}
}

// log makes the file of a server's log.
func (s *stack) log(name string) (*os.File, error) {
	folder := filepath.Join(s.Data, "log")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(folder, name+".log"))
}

// spawn starts a program with further variables, to be stopped with the stack.
func (s *stack) spawn(
	out io.Writer, name string, set map[string]string, path string, args ...string,
) (*process.Process, error) {
	all := maps.Clone(s.environ)
	maps.Copy(all, set)
	cmd := exec.Command(path, args...)
	for name, value := range all {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Dir, cmd.Stdout = s.root, out
	p, err := process.Start(cmd)
	if err == nil {
		s.children = append(s.children, child{name, p})
	}
	return p, err
}

// program starts one of our programs and waits until it answers at its address, if it has one. Its
// /healthz answers with its process id.
func (s *stack) program(ctx context.Context, name, file, addr string, set map[string]string) error {
	p, err := s.spawn(&lineWriter{out: s.out, name: name}, name, set, filepath.Join(s.bin, file))
	if err != nil || addr == addrOff {
		return err
	}
	url := "http://" + reach(addr) + "/healthz"
	return p.WaitHTTP(ctx, programTimeout, url, fmt.Sprintf("ok %d\n", p.PID()))
}

// command runs one of our programs, which does its work and ends.
func (s *stack) command(ctx context.Context, file string, set map[string]string) error {
	if err := s.program(ctx, file, file, addrOff, set); err != nil {
		return err
	}
	p := s.children[len(s.children)-1]
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.Done():
	}
	if p.Err() != nil {
		return p.Ending()
	}
	s.children = s.children[:len(s.children)-1]
	return nil
}

// watch returns nil when ctx ends, and an error when a program ends before that.
func (s *stack) watch(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range s.children {
		group.Go(func() error {
			select {
			case <-ctx.Done():
				return nil
			case <-c.Done():
			}
			if c.name != "generator" || c.Err() != nil {
				return c.Ending()
			}
			s.say("the generator is done; the rest goes on")
			return nil
		})
	}
	return group.Wait()
}

// stop stops all programs, the last started first.
func (s *stack) stop() error {
	var problems []error
	for _, c := range slices.Backward(s.children) {
		problems = append(problems, c.Stop(stopTimeout))
	}
	return errors.Join(problems...)
}
