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
	if err := errors.Join(file.Truncate(0), write(file, os.Getpid())); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func write(file *os.File, pid int) error {
	_, err := file.WriteAt([]byte(strconv.Itoa(pid)+"\n"), 0)
	return err
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
	asked := 0
	for {
		file, pid, err := tryLock(data, syscall.LOCK_SH) // a launcher keeps it from us, not another stop
		switch {
		case err == nil && asked == 0:
			fmt.Fprintln(out, "nothing to stop: Colorstream does not run on", data)
			return file.Close()
		case err == nil:
			fmt.Fprintln(out, "stopped")
			return file.Close()
		case errors.Is(err, os.ErrNotExist):
			fmt.Fprintln(out, "nothing to stop: there is no folder", data)
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return err
		case asked == 0 && pid > 0:
			fmt.Fprintf(out, "stopping Colorstream (process %d)\n", pid)
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				return fmt.Errorf("stop process %d: %w", pid, err)
			}
			asked = pid
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("process %d is still there (`kill -9 %d` ends it for certain): %w",
				asked, asked, context.Cause(ctx))
		}
	}
}
