package influxd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"colorstream/generator/process"
)

// Build returns the path of the influxd to run as [Find] does, after building it with the script
// build.sh of the folder server, if there is none. The script prints to out how far it is. Of
// several builds at the same time one works and the others wait for it.
func Build(
	ctx context.Context, server string, out io.Writer, getenv func(string) string,
) (string, error) {
	path, err := Find(getenv)
	if !errors.Is(err, ErrNotBuilt) {
		return path, err
	}
	if path, err = CachePath(getenv); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder for influxd: %w", err)
	}
	lock := flock.New(path + ".lock")
	if free, err := lock.TryLock(); err == nil && !free {
		fmt.Fprintln(out, "Another build of InfluxDB is running; waiting for it.")
	}
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return "", fmt.Errorf("lock the build of influxd: %w", err)
	}
	defer lock.Close()
	if executable(path) == nil {
		return path, nil // built while we waited
	}
	cmd := exec.Command("/bin/sh", filepath.Join(server, "build.sh"), path)
	cmd.Stdout = out
	p, err := process.Start(cmd)
	if err != nil {
		return "", err
	}
	select {
	case <-ctx.Done():
		p.Kill()
		return "", context.Cause(ctx)
	case <-p.Done():
	}
	if p.Err() != nil {
		return "", fmt.Errorf("build InfluxDB %s: %w", Version, p.Ending())
	}
	return path, nil
}
