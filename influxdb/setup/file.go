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

	"colorstream/generator/process"
)

// Folder is where the tokens' files lie, each named as its token.
//
// A file belongs to the user that runs this program and nobody else may read it. Where the programs
// run under users of their own, each token named in Groups goes to a group that its program is in,
// which may read it; the folder then lets everyone pass, but not look around. This program needs no
// privilege for that, only to be in those groups.
type Folder struct {
	Path   string
	Groups map[string]int // token name → group id
}

// stackFile holds the folder's id, by which InfluxDB knows what this stack made.
const stackFile = ".stack"

// Stack gives the id of the stack whose tokens lie here: it is made once, and is the folder's for
// good. Two stacks at one server are told apart by it. If the folder is lost, its tokens stay in
// InfluxDB, for a person to delete. Call it under [Folder.Lock].
func (f Folder) Stack() (string, error) {
	path := filepath.Join(f.Path, stackFile)
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if id := strings.TrimSpace(string(old)); id != "" {
		return id, nil
	}
	id := strings.ToLower(rand.Text()[:8])
	return id, f.write(path, stackFile, id)
}

// Lock makes the folder if need be and waits until no other process prepares a server with it: two
// at once would each delete the other's new tokens as old ones.
func (f Folder) Lock(ctx context.Context, log *slog.Logger) (io.Closer, error) {
	mode := fs.FileMode(0o700)
	if len(f.Groups) > 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(f.Path, mode); err != nil {
		return nil, err
	}
	return process.Lock(ctx, filepath.Join(f.Path, ".lock"), func() {
		log.Info("waiting for another process that prepares InfluxDB", "folder", f.Path)
	})
}

// WriteTokens sees to it that every file of the plan has a token that suits. One that does is kept,
// and so the programs that read it at their start need no restart.
func (s *Server) WriteTokens(ctx context.Context, folder Folder) error {
	for _, token := range s.plan.Tokens {
		if err := s.writeToken(ctx, folder, token); err != nil {
			return fmt.Errorf("token %q: %w", token.Name, err)
		}
	}
	return nil
}

func (s *Server) writeToken(ctx context.Context, folder Folder, want Token) error {
	path := filepath.Join(folder.Path, want.Name)
	reason := "its file was missing or empty"
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the file: %w", err)
	}
	if token := strings.TrimSpace(string(old)); token != "" {
		suits, err := s.suits(ctx, token, want)
		if err != nil {
			return fmt.Errorf("try the token in %s: %w", path, err)
		}
		if suits {
			return folder.protect(path, want.Name)
		}
		reason = "that in the file was rejected or permits something else"
	}
	err = s.grant(ctx, want, func(token string) error { return folder.write(path, want.Name, token) })
	if err != nil {
		return err
	}
	s.log.Info("token made", "token", want.Name,
		"file", path, "reason", reason, "reads", want.Read, "writes", want.Write)
	return nil
}

// write replaces the file such that a crash leaves the old one or the new one. A new file that a
// crash takes back is made again by the next run.
func (f Folder) write(path, name, token string) error {
	file, err := os.CreateTemp(f.Path, "."+name+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // after the rename there is nothing to remove
	_, err = file.WriteString(token + "\n")
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := f.protect(file.Name(), name); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// protect sets the file's mode and group.
func (f Folder) protect(path, name string) error {
	group, shared := f.Groups[name]
	if !shared {
		return os.Chmod(path, 0o600)
	}
	// The group first, or the old one could read the file for a moment.
	if err := os.Chown(path, -1, group); err != nil {
		return fmt.Errorf("%w (this program must run in group %d to give it the file)", err, group)
	}
	return os.Chmod(path, 0o640)
}
