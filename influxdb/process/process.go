// Package process runs one child program: it starts it, keeps the last lines
// that it printed, and stops it politely and then for certain.
//
// A child gets a process group of its own, so that Ctrl-C at a terminal
// reaches its owner alone, who then decides in which order things stop. On
// Linux a child also dies with its owner, even one killed by SIGKILL; on other
// systems an owner that is killed leaves its children running.
//
// The package restarts nothing and parses nothing. It needs a Unix system.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// drainTimeout bounds how long a finished child's output is waited for, should
// a grandchild hold its pipe open.
const drainTimeout = 2 * time.Second

// Spec says what to run.
type Spec struct {
	Path string
	Args []string
	Env  []string // the whole environment; nil means the owner's own
	Dir  string   // working folder; empty means the owner's own

	// Output receives standard output and standard error as they come, one
	// Write at a time. Nil keeps only the tail.
	Output io.Writer
}

// Process is a started child. Its methods are safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	tail Tail
	done chan struct{}
	err  error // written before done is closed
}

// Start starts the child. Somebody must call [Process.Stop] or
// [Process.Kill], or wait for [Process.Done].
func Start(spec Spec) (*Process, error) {
	p := &Process{cmd: exec.Command(spec.Path, spec.Args...), done: make(chan struct{})}
	var out io.Writer = &p.tail
	if spec.Output != nil {
		out = io.MultiWriter(&p.tail, spec.Output)
	}
	p.cmd.Env, p.cmd.Dir = spec.Env, spec.Dir
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = attributes()
	p.cmd.WaitDelay = drainTimeout

	started := make(chan error)
	go func() {
		// The kernel ties "die with the parent" to the thread that forked,
		// so that thread must live as long as the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		if errors.Is(p.err, exec.ErrWaitDelay) {
			p.err = nil // the child itself ended well
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	return p, nil
}

// PID returns the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended and its output was read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err waits for the end of the child and returns how it ended: nil after exit
// status 0.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Tail returns the last lines that the child printed.
func (p *Process) Tail() []string { return p.tail.Lines() }

// Stop asks the child to end and waits for it. A child that is still there
// after grace is killed, which is the only error that Stop returns: the way a
// child ends after having been asked to is its own affair.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		<-p.done
		return nil
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s did not stop within %v and was killed", p.cmd.Path, grace)
	}
}

// Kill ends the child and all that it started at once, and waits for it.
func (p *Process) Kill() {
	select {
	case <-p.done: // its group's number may belong to another by now
		return
	default:
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.done
}
