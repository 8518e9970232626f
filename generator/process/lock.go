package process

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// Lock takes the lock of a file, which it makes if need be, until the file is closed or the process
// ends, in whatever way. Where another has it, Lock calls busy once and waits until ctx ends. The
// file stays: to delete it would let two processes lock two files of the same name.
func Lock(ctx context.Context, path string, busy func()) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, file.Close())
		}
		if !told {
			busy()
		}
		select {
		case <-time.After(lockInterval):
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		}
	}
}
