package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockFile is in the data folder. The stack that runs there has its lock: the kernel gives it back
// when the process ends, in whatever way, and names the process to others.
const lockFile = "stack.lock"

// acquire makes this process the one stack that may run on the data folder, until the file is
// closed.
func acquire(data string) (*os.File, error) {
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("STACK_DATA=%s: %w", data, err)
	}
	path := filepath.Join(data, lockFile)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("STACK_DATA=%s: %w", data, err)
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK}
	err = syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &lock)
	if err == nil {
		return file, nil
	}
	if pid := owner(file); pid != 0 {
		err = fmt.Errorf("it runs already (process %d): stop it with `make stop`, "+
			"or with Ctrl-C where it was started", pid)
	} else {
		err = fmt.Errorf("STACK_DATA=%s: lock %s: %w", data, lockFile, err)
	}
	return nil, errors.Join(err, file.Close())
}

// owner is the id of the process that has the lock, or 0. It is 0 too for one in another container,
// which has no id here.
func owner(file *os.File) int {
	lock := syscall.Flock_t{Type: syscall.F_WRLCK}
	err := syscall.FcntlFlock(file.Fd(), syscall.F_GETLK, &lock)
	if err != nil || lock.Type == syscall.F_UNLCK {
		return 0
	}
	return max(int(lock.Pid), 0)
}

// stop asks the stack that runs on the data folder to end, and waits for that.
func stop(ctx context.Context, out io.Writer, data string) error {
	file, err := os.OpenFile(filepath.Join(data, lockFile), os.O_RDWR, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	pid := 0
	if err == nil {
		defer file.Close()
		pid = owner(file)
	}
	if pid == 0 {
		_, err = fmt.Fprintln(out, "nothing to stop: Colorstream does not run on "+data)
		return err
	}
	fmt.Fprintf(out, "stopping Colorstream (process %d)\n", pid)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopAllTimeout)
	defer cancel()
	for owner(file) == pid {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("process %d is still there (`kill -9 %d` ends it for certain): %w",
				pid, pid, ctx.Err())
		}
	}
	_, err = fmt.Fprintln(out, "stopped")
	return err
}
