package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"colorstream/generator/process"
)

// part is a program of the stack.
type part struct {
	name string
	spec process.Command

	// ready says why the part is not ready yet; nil when it is. A part without it is ready at once.
	ready    func(context.Context) error
	patience time.Duration // how long to wait for that

	boring string        // lines with this in them are never printed
	quiet  bool          // what it prints before it is ready and while it stops matters only if it fails
	finite bool          // it may end by itself, if it ends well
	grace  time.Duration // how long it may take to stop
}

const (
	readyInterval = 50 * time.Millisecond
	lastLines     = 10
)

// supervisor runs the parts and stops them in the reverse order of their start. It belongs to one goroutine.
type supervisor struct {
	out     *output
	running []*runningPart
	ended   chan *runningPart
}

type runningPart struct {
	part
	*process.Process
	out *partWriter
}

func newSupervisor(out *output) *supervisor {
	return &supervisor{out: out, ended: make(chan *runningPart)}
}

// start starts a part. It does not wait for it to be ready.
func (s *supervisor) start(p part) (*runningPart, error) {
	r := &runningPart{part: p, out: s.out.part(p.name)}
	p.spec.Output = r.out
	r.out.boring = p.boring
	r.out.muted.Store(p.quiet)
	var err error
	if r.Process, err = process.Start(p.spec); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	s.running = append(s.running, r)
	return r, nil
}

// await waits until the part is ready, and returns an error if it ends first or takes too long.
func (s *supervisor) await(ctx context.Context, r *runningPart) error {
	if r.ready == nil {
		return nil
	}
	bound, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for {
		reason := r.ready(bound)
		if reason == nil {
			r.out.muted.Store(false)
			return nil
		}
		select {
		case <-tick.C:
		case <-r.Done():
			return ending(r)
		case <-bound.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%s is not ready after %v: %w%s", r.name, r.patience, reason, tail(r))
		}
	}
}

// once runs a part that does its work and ends.
func (s *supervisor) once(ctx context.Context, p part) error {
	r, err := s.start(p)
	if err != nil {
		return err
	}
	defer func() { s.running = slices.DeleteFunc(s.running, func(o *runningPart) bool { return o == r }) }()
	select {
	case <-r.Done():
		r.out.flush()
		if r.Err() != nil {
			return ending(r)
		}
		return nil
	case <-ctx.Done():
		_ = r.Stop(p.grace)
		return context.Cause(ctx)
	}
}

// watch returns nil when ctx ends, and an error when a part ends before that.
func (s *supervisor) watch(ctx context.Context) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, r := range s.running {
		go func() {
			select {
			case <-r.Done():
			case <-watching.Done():
				return
			}
			select {
			case s.ended <- r:
			case <-watching.Done():
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-s.ended:
			if !r.finite || r.Err() != nil {
				return ending(r)
			}
			r.out.flush()
			s.out.say("%s is done; the rest goes on", r.name)
		}
	}
}

// stop stops all parts, the last started first. When hurry ends, it kills what is left.
func (s *supervisor) stop(hurry context.Context) error {
	var problems []error
	for _, r := range slices.Backward(s.running) {
		r.out.muted.Store(r.quiet)
		stopped := make(chan error, 1)
		go func() { stopped <- r.Stop(r.grace) }()
		select {
		case err := <-stopped:
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", r.name, err))
			}
		case <-hurry.Done():
			r.Kill()
			<-stopped
		}
		r.out.flush()
	}
	s.running = nil
	return errors.Join(problems...)
}

// ending tells how a part ended that should not have.
func ending(r *runningPart) error {
	err := r.Err()
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("%s ended (%w)%s", r.name, err, tail(r))
}

func tail(r *runningPart) string {
	lines := r.Tail()
	if len(lines) == 0 {
		return " and printed nothing"
	}
	lines = lines[max(len(lines)-lastLines, 0):]
	return "; its last lines:\n    " + strings.Join(lines, "\n    ")
}
