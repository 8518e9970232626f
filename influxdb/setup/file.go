package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
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

// openFolder makes the folder if need be, waits until no other process prepares a server with it,
// and reads its id.
func (s *server) openFolder(ctx context.Context) error {
	f := s.plan.Folder
	mode := fs.FileMode(0o700)
	if len(f.Groups) > 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(f.Path, mode); err != nil {
		return err
	}
	if free, err := s.lock.TryLock(); err == nil && !free {
		s.log.Info("waiting for another process that prepares InfluxDB", "folder", f.Path)
	}
	if _, err := s.lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return err
	}
	id, err := f.read(stackFile)
	if id == "" && err == nil {
		id = strings.ToLower(rand.Text()[:8])
		err = f.write(stackFile, id)
	}
	s.mark = "colorstream " + id + " "
	return err
}

// read returns a file's text, "" if it is missing.
func (f Folder) read(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(f.Path, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return strings.TrimSpace(string(text)), err
}

// write replaces a file such that a crash leaves the old one or the new one.
func (f Folder) write(name, text string) error {
	path := filepath.Join(f.Path, name)
	if err := renameio.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		return err
	}
	return f.protect(name)
}

// protect sets the mode and the group of a file.
func (f Folder) protect(name string) error {
	path := filepath.Join(f.Path, name)
	group, shared := f.Groups[name]
	if !shared {
		return os.Chmod(path, 0o600)
	}
	// The group first, or the old one could read the file for a moment.
	if err := os.Chown(path, -1, int(group)); err != nil {
		return fmt.Errorf("%w (this program must run in group %d to give it the file)", err, group)
	}
	return os.Chmod(path, 0o640)
}
