// Package service is the frame of every program: it finds the command, reads the configuration from
// the environment, writes the log, answers the operator's HTTP requests and stops in good order.
//
// A program's main is one call of [Main] with [Program.Run], which gets everything from its caller,
// so that a test can call it. The package knows nothing of colours, Redis, InfluxDB or Grafana.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/caarlos0/env/v11"
)

// A Process is what the operating system hands a program.
type Process struct {
	Args    []string // the command line's words without the program's name
	Environ map[string]string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// An ExitError ends the program with a status of its own.
type ExitError struct {
	Status int
	Err    error
}

func (e *ExitError) Error() string { return e.Err.Error() }

func (e *ExitError) Unwrap() error { return e.Err }

// Usage is an error in the command line or in the configuration: exit status 2.
func Usage(err error) error { return &ExitError{Status: 2, Err: err} }

// Main runs a program and exits: with status 0 on success, 1 on failure, 2 when the command line or
// the configuration is wrong. Interrupt, SIGTERM and SIGHUP end its context; a second signal ends
// the process at once, with status 130. SIGHUP stays ignored where it is, as under nohup.
func Main(run func(context.Context, Process) error) {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() { // the signal's default would be to ignore it, in a shell's background job
		<-signals
		stop()
		<-signals
		os.Exit(130)
	}()
	err := run(ctx, Process{os.Args[1:], env.ToMap(os.Environ()), os.Stdin, os.Stdout, os.Stderr})
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
	if e, ok := errors.AsType[*ExitError](err); ok {
		os.Exit(e.Status)
	}
	os.Exit(1)
}
