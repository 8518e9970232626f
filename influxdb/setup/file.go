package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Folder is where the tokens' files lie, each named as its token.
//
// A file belongs to the user that runs this program and nobody else may read it. Where the programs
// run under users of their own, each token named in Groups goes to a group that its program is in,
// which may read it; the folder then lets everyone pass, but not look around. This program needs no
// privilege for that, only to be in those groups.
type Folder struct {
	Path   string
	Groups map[string]uint32 // token name → group id
}

// stackFile holds the folder's id, by which InfluxDB knows what this stack made. It is made once,
// and is the folder's for good. Two stacks at one server are told apart by it. If the folder is
// lost, its tokens stay in InfluxDB, for a person to delete.
const stackFile = ".stack"

// open makes the folder if need be, waits until no other process prepares a server with it, and
// returns its id.
func (f Folder) open(
	ctx context.Context, log *slog.Logger,
) (lock io.Closer, stack string, err error) {
	mode := fs.FileMode(0o700)
	if len(f.Groups) > 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(f.Path, mode); err != nil {
		return nil, "", err
	}
	file := flock.New(filepath.Join(f.Path, ".lock"))
	if free, err := file.TryLock(); err == nil && !free {
		log.Info("waiting for another process that prepares InfluxDB", "folder", f.Path)
	}
	if _, err := file.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return nil, "", err
	}
	if stack, err = f.read(stackFile); stack == "" && err == nil {
		stack = strings.ToLower(rand.Text()[:8])
		err = f.write(stackFile, stack)
	}
	if err != nil {
		return nil, "", errors.Join(err, file.Close())
	}
	return file, stack, nil
}

// read returns a file's text, "" if it is missing.
func (f Folder) read(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(f.Path, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return strings.TrimSpace(string(text)), err
}

// write replaces a file such that a crash leaves the old one or the new one. A new file that a
// crash takes back is made again by the next run.
func (f Folder) write(name, text string) error {
	file, err := os.CreateTemp(f.Path, "."+name+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // after the rename there is nothing to remove
	_, err = file.WriteString(text + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := f.protect(filepath.Base(file.Name()), name); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(f.Path, name))
}

// protect sets the mode and the group of a file that holds a token.
func (f Folder) protect(file, token string) error {
	path := filepath.Join(f.Path, file)
	group, shared := f.Groups[token]
	if !shared {
		return os.Chmod(path, 0o600)
	}
	// The group first, or the old one could read the file for a moment.
	if err := os.Chown(path, -1, int(group)); err != nil {
		return fmt.Errorf("%w (this program must run in group %d to give it the file)", err, group)
	}
	return os.Chmod(path, 0o640)
}
