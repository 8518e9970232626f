package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"colorstream/generator/process"
)

// lockFile is in the data folder. The stack that runs there has its lock, and its process id in it.
const lockFile = "stack.lock"

// lockTime is how long one that has the lock, and is not named in it, may be starting or ending.
const lockTime = time.Second

// acquire makes this process the one stack that may run on the data folder, until the file is
// closed.
func acquire(data string) (*os.File, error) {
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("STACK_DATA=%s: %w", data, err)
	}
	path := filepath.Join(data, lockFile)
	ctx, cancel := context.WithTimeout(context.Background(), lockTime)
	defer cancel()
	file, err := process.Lock(ctx, path, func() {})
	if errors.Is(err, context.DeadlineExceeded) {
		if pid := owner(path); pid != 0 {
			return nil, fmt.Errorf("it runs already (process %d): stop it with `make stop`, "+
				"or with Ctrl-C where it was started", pid)
		}
		return nil, strangerError(path)
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintln(file, os.Getpid())
	}
	if err != nil {
		return nil, fmt.Errorf("STACK_DATA=%s: %w", data, err)
	}
	return file, nil
}

func strangerError(path string) error {
	return fmt.Errorf("another program has locked %s, which names no process: end that program", path)
}

// owner is the id of the process that has the lock, or 0.
func owner(path string) int {
	text, _ := os.ReadFile(path)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

// stop asks the stack that runs on the data folder to end, and waits for that.
func stop(ctx context.Context, out io.Writer, data string) error {
	path, said := filepath.Join(data, lockFile), "nothing to stop: Colorstream does not run on "+data
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	file, err := process.Lock(ctx, path, func() {
		pid := owner(path)
		if pid == 0 {
			time.AfterFunc(lockTime, func() { cancel(strangerError(path)) })
			return
		}
		fmt.Fprintf(out, "stopping Colorstream (process %d)\n", pid)
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			cancel(fmt.Errorf("stop process %d: %w", pid, err))
		}
		time.AfterFunc(stopAllTimeout, func() {
			cancel(fmt.Errorf("process %d is still there (`kill -9 %d` ends it for certain)", pid, pid))
		})
		said = "stopped"
	})
	if err == nil {
		_ = file.Close() // nothing was written
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		_, err = fmt.Fprintln(out, said)
	}
	return err
}
