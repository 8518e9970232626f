package influxd

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

const lockInterval = 200 * time.Millisecond

// lock takes the lock file's lock, calling waiting once if another process has
// it. The kernel releases the lock of a process that dies. The file stays: to
// delete it would let two processes lock two files of the same name.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, err
		}
		if !told {
			told = true
			waiting()
		}
		select {
		case <-time.After(lockInterval):
		case <-ctx.Done():
			file.Close()
			return nil, context.Cause(ctx)
		}
	}
}
