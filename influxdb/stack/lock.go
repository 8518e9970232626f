package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	stopTimeout  = 90 * time.Second
	leftTimeout  = 5 * time.Second
	stopInterval = 50 * time.Millisecond
)

// instance is the one stack that may run on a data folder. The lock is the kernel's, so it ends with the process
// in every case. The file beside it says which processes there are, for `stop` and for what a crash leaves.
type instance struct {
	lock *os.File
	path string
	record
}

// record is what the file stack.json says.
type record struct {
	Launcher int        `json:"launcher"`
	Parts    []recorded `json:"parts"`
}

type recorded struct {
	Name    string `json:"name"`
	PID     int    `json:"pid"`
	Program string `json:"program"`
}

var errRunning = errors.New("it runs already")

// acquire makes this process the stack of the data folder. It refuses to while another is, and while parts of
// an earlier one are still there although their launcher is not.
func acquire(data string) (*instance, error) {
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("STACK_DATA=%s: %w", data, err)
	}
	lock, err := os.OpenFile(filepath.Join(data, "stack.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("STACK_DATA=%s: %w", data, err)
	}
	in := &instance{lock: lock, path: recordPath(data), record: record{Launcher: os.Getpid()}}
	if err := in.take(readRecord(data)); err != nil {
		lock.Close()
		return nil, err
	}
	return in, nil
}

func (in *instance) take(old record) error {
	switch err := syscall.Flock(int(in.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return fmt.Errorf("%w (process %d): stop it with `make stop`, or with Ctrl-C where it was started", errRunning, old.Launcher)
	case err != nil:
		return fmt.Errorf("lock %s: %w", in.lock.Name(), err)
	}
	// Where the system tells them that their launcher is gone, they are ending.
	left := old.left()
	for deadline := time.Now().Add(leftTimeout); len(left) > 0 && time.Now().Before(deadline); left = old.left() {
		time.Sleep(stopInterval)
	}
	if len(left) > 0 {
		var names []string
		for _, part := range left {
			names = append(names, fmt.Sprintf("%s (process %d)", part.Name, part.PID))
		}
		return fmt.Errorf("an earlier run crashed and left %s behind: end them with `make stop`", strings.Join(names, ", "))
	}
	return in.save()
}

// add records a part.
func (in *instance) add(r *runningPart) error {
	in.Parts = append(in.Parts, recorded{r.name, r.PID(), r.spec.Path})
	return in.save()
}

func (in *instance) save() error {
	text, err := json.MarshalIndent(in.record, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(in.path, append(text, '\n'), 0o644)
}

// release ends the instance, after all its parts have stopped.
func (in *instance) release() {
	_ = os.Remove(in.path)
	in.lock.Close()
}

func recordPath(data string) string { return filepath.Join(data, "stack.json") }

// left lists the parts that are still there, the last started first.
func (r record) left() []recorded {
	var left []recorded
	for _, part := range slices.Backward(r.Parts) {
		if part.alive() {
			left = append(left, part)
		}
	}
	return left
}

// readRecord returns nothing where there is no file, or none that was written whole.
func readRecord(data string) record {
	var r record
	if text, err := os.ReadFile(recordPath(data)); err == nil && json.Unmarshal(text, &r) != nil {
		return record{}
	}
	return r
}

// alive tells whether the process is there and still runs the same program.
func (r recorded) alive() bool {
	if r.PID <= 1 || syscall.Kill(r.PID, 0) != nil {
		return false
	}
	program := filepath.Base(r.Program)
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.PID)); err == nil {
		name, _, _ := strings.Cut(string(text), "\x00")
		// Some, such as redis-server, write something of their own there.
		return strings.HasPrefix(filepath.Base(name), program)
	}
	text, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(r.PID)).Output()
	return err == nil && strings.HasPrefix(filepath.Base(strings.TrimSpace(string(text))), program[:min(len(program), 15)])
}

// stop ends the stack that runs on the data folder, or what a crashed one left, and waits for that.
func stop(ctx context.Context, out io.Writer, data string) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	old := readRecord(data)
	running, err := locked(data)
	if err != nil {
		return err
	}
	if running && old.Launcher > 0 {
		fmt.Fprintf(out, "stopping Colorstream (process %d)\n", old.Launcher)
		return end(ctx, out, old.Launcher, func() bool { running, err := locked(data); return err == nil && !running })
	}
	left := old.left()
	if len(left) == 0 {
		fmt.Fprintln(out, "nothing to stop: Colorstream does not run on", data)
		return nil
	}
	for _, part := range left {
		fmt.Fprintf(out, "stopping %s (process %d), left behind by a run that crashed\n", part.Name, part.PID)
		if err := end(ctx, out, part.PID, func() bool { return !part.alive() }); err != nil {
			return err
		}
	}
	return os.Remove(recordPath(data))
}

// end asks a process, which is not our child, to end and waits until it has.
func end(ctx context.Context, out io.Writer, pid int, ended func() bool) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	tick := time.NewTicker(stopInterval)
	defer tick.Stop()
	for !ended() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d is still there (`kill -9 %d` ends it for certain): %w", pid, pid, context.Cause(ctx))
		}
	}
	fmt.Fprintln(out, "stopped")
	return nil
}

// locked tells whether a stack runs on the data folder.
func locked(data string) (bool, error) {
	file, err := os.Open(filepath.Join(data, "stack.lock"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK), nil
}
