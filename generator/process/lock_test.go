package process

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	never := func() { t.Error("it waits for nobody") }
	lock, err := Lock(t.Context(), path, never)
	if err != nil {
		t.Fatal(err)
	}
	waits, done := make(chan struct{}), make(chan error, 1)
	go func() {
		second, err := Lock(t.Context(), path, func() { close(waits) })
		if err == nil {
			err = second.Close()
		}
		done <- err
	}()
	<-waits
	select {
	case err := <-done:
		t.Fatalf("it does not wait: %v", err)
	default:
	}
	lock.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}

	if lock, err = Lock(t.Context(), path, never); err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Lock(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that is given up: %v", err)
	}
}
