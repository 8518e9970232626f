// Package process runs one server program as a child process: it starts it, waits until it is
// ready, keeps the end of its output, and stops it.
//
// A child gets a process group of its own, so that Ctrl-C at a terminal reaches only its parent,
// which then decides in which order things stop. On Linux the kernel ends a child whose parent has
// died, even by SIGKILL; on other systems the child of a killed parent runs on.
//
// The package restarts nothing. It needs a Unix system.
package process

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// drainTimeout bounds the wait for the output of a child that has ended: a grandchild may hold its
	// pipe open.
	drainTimeout  = 2 * time.Second
	readyInterval = 20 * time.Millisecond
	tailSize      = 4 << 10
)

// A Process is a child that was started. Its methods are safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	tail tail
	done chan struct{}
	err  error // written before done is closed
}

// Start starts a child. cmd's Stdout receives standard output and standard error as they come, one
// Write at a time; it may be nil. The caller must call [Process.Stop] or [Process.Kill], or wait
// for [Process.Done].
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	var out io.Writer = &p.tail
	if cmd.Stdout != nil {
		out = io.MultiWriter(&p.tail, cmd.Stdout)
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = drainTimeout

	started := make(chan error)
	go func() {
		// The kernel ties "die with the parent" to the thread that forked, so that thread must live as
		// long as the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		if errors.Is(p.err, exec.ErrWaitDelay) {
			p.err = nil // the child itself ended well
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// Ending waits for the child's end and returns an error that says how it ended and with which
// output, also after exit status 0.
func (p *Process) Ending() error {
	err := p.Err()
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("%s ended (%w)%s", p.name(), err, p.lastLines())
}

func (p *Process) name() string { return filepath.Base(p.cmd.Path) }

func (p *Process) lastLines() string {
	lines := p.Tail()
	if len(lines) == 0 {
		return " and printed nothing"
	}
	return "; its last lines:\n    " + strings.Join(lines[max(len(lines)-10, 0):], "\n    ")
}

// PID returns the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended and its output was read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err waits for the child's end and returns nil if its exit status was 0.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Tail returns the lines in the last 4 KiB of the output, without empty ones. The first may be cut.
func (p *Process) Tail() []string { return p.tail.lines() }

// Signal sends a signal to the child alone. A child that has ended gets none.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Stop sends SIGTERM and waits for the child's end. It kills a child that is still there after the
// timeout, which is the only error that it returns.
func (p *Process) Stop(timeout time.Duration) error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(timeout):
		p.Kill()
		return fmt.Errorf("%s did not stop within %v and was killed", p.name(), timeout)
	}
}

// Kill kills the child and all in its process group, and waits for its end.
func (p *Process) Kill() {
	select {
	case <-p.done: // its group's number may be another's by now
		return
	default:
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.done
}

// Unused returns an error if another program listens on the TCP address.
func Unused(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// FreeAddr picks an address of the loopback that nothing uses. Linux hands out no port below 32768
// by itself, so that a stopped server's port and that of a Redis cluster's bus (10 000 above)
// remain free until it comes back.
func FreeAddr() string {
	for {
		port := 20_000 + rand.IntN(2_768)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		bus := net.JoinHostPort("127.0.0.1", strconv.Itoa(port+10_000))
		if Unused(addr) == nil && Unused(bus) == nil {
			return addr
		}
	}
}

// tail is a writer that keeps the end of what is written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = append(t.text[:0], t.text[max(len(t.text)-tailSize, 0):]...)
	return len(p), nil
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(string(t.text)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
