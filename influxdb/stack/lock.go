package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// acquire makes this process the one stack that may run on the data folder, until the file is
// closed or the process ends, in whatever way. The file holds the process id, for `stop`.
func acquire(data string) (*os.File, error) {
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("STACK_DATA=%s: %w", data, err)
	}
	file, pid, err := tryLock(data, syscall.LOCK_EX)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, fmt.Errorf("it runs already (process %d): stop it with `make stop`, "+
			"or with Ctrl-C where it was started", pid)
	case err != nil:
		return nil, fmt.Errorf("STACK_DATA=%s: %w", data, err)
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(file, os.Getpid())
	}
	return file, err
}

// tryLock returns the locked file, or EWOULDBLOCK and the id of the process that has it.
func tryLock(data string, how int) (*os.File, int, error) {
	path := filepath.Join(data, "stack.lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, 0, err
	}
	if err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); err != nil {
		file.Close()
		text, _ := os.ReadFile(path)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return nil, pid, err
	}
	return file, 0, nil
}

// stop asks the stack that runs on the data folder to end, and waits for that.
func stop(ctx context.Context, out io.Writer, data string) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	said := "nothing to stop: Colorstream does not run on " + data
	for asked := false; ; {
		file, pid, err := tryLock(data, syscall.LOCK_SH) // two stops do not keep it from each other
		if err == nil || errors.Is(err, os.ErrNotExist) {
			_ = file.Close()
			fmt.Fprintln(out, said)
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if !asked && pid > 0 {
			fmt.Fprintf(out, "stopping Colorstream (process %d)\n", pid)
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				return fmt.Errorf("stop process %d: %w", pid, err)
			}
			asked, said = true, "stopped"
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("process %d is still there (`kill -9 %d` ends it for certain): %w",
				pid, pid, context.Cause(ctx))
		}
	}
}
