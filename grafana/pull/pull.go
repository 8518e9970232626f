// Package pull brings dashboards that people edited and saved in Grafana's
// pages back into the files that Grafana is provisioned from.
//
// It reads each file's dashboard from Grafana by its uid, and writes the file
// only if something that matters has changed. What was edited in a file and in
// Grafana both, ends up as Grafana has it: the version history shows the rest.
// Dashboards that no file has are named, and written if asked for.
package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"colorstream/grafana/lint"
)

// Config says from where to where.
type Config struct {
	URL            string
	Token          string // or
	User, Password string // or nothing: as an anonymous visitor
	Dir            string
	Only           []string // uids; none means all that have a file
}

// A target is one file and the dashboard in it.
type target struct {
	path, uid string
	old       []byte // nil for a new file
}

// Run pulls and tells on out, line by line, what it did.
func Run(ctx context.Context, out io.Writer, c Config) error {
	targets, err := files(c.Dir)
	if err != nil {
		return err
	}
	var all []found
	if len(c.Only) == 0 {
		if all, err = c.search(ctx); err != nil {
			return err
		}
	} else {
		targets = slices.DeleteFunc(targets,
			func(t target) bool { return !slices.Contains(c.Only, t.uid) })
		for _, uid := range c.Only {
			if !hasFile(targets, uid) {
				targets = append(targets, target{path: filepath.Join(c.Dir, uid+".json"), uid: uid})
			}
		}
	}
	var failed []error
	for _, t := range targets {
		said, err := c.one(ctx, t)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", filepath.Base(t.path), err))
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", filepath.Base(t.path), said)
	}
	for _, d := range all {
		if !hasFile(targets, d.UID) {
			fmt.Fprintf(out, "%s is in Grafana only; give its uid to save it as %[1]s.json\n", d.UID)
		}
	}
	return errors.Join(failed...)
}

func hasFile(targets []target, uid string) bool {
	return slices.ContainsFunc(targets, func(t target) bool { return t.uid == uid })
}

// files lists the dashboards in the folder. One broken file stops everything:
// to write over it might lose what somebody was doing there.
func files(dir string) ([]target, error) {
	var out []target
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		d, err := lint.Parse(data)
		if err == nil && d.UID == "" {
			err = errors.New("it has no uid")
		}
		if err != nil {
			return fmt.Errorf("%s: %w; correct the file before pulling", path, err)
		}
		out = append(out, target{path, d.UID, data})
		return nil
	})
	return out, err
}

// one pulls one dashboard and says what became of it.
func (c Config) one(ctx context.Context, t target) (string, error) {
	data, err := c.dashboard(ctx, t.uid)
	switch {
	case errors.Is(err, errNotFound) && t.old == nil:
		return "", fmt.Errorf("there is no dashboard %q, neither in %s nor at %s", t.uid, c.Dir, c.URL)
	case errors.Is(err, errNotFound):
		return "not in Grafana (yet), left as it is", nil
	}
	if err != nil {
		return "", err
	}
	fresh, err := Canonical(data, t.old)
	if err != nil {
		return "", fmt.Errorf("read Grafana's answer: %w", err)
	}
	if _, err := lint.Parse(fresh); errors.Is(err, lint.ErrV2) {
		return "", errV2
	} else if err != nil {
		return "", fmt.Errorf("read Grafana's answer: %w", err)
	}
	if t.old != nil {
		present, err := Canonical(t.old, t.old)
		if err != nil {
			return "", err
		}
		if bytes.Equal(present, fresh) {
			return "unchanged", nil
		}
	}
	if err := replace(t.path, fresh); err != nil {
		return "", err
	}
	if t.old == nil {
		return "new", nil
	}
	return "written", nil
}

// replace writes a file so that Grafana, which may look at any moment, never
// sees half of it.
func replace(path string, data []byte) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	tmp, err := os.CreateTemp(filepath.Dir(path),
		"."+strings.TrimSuffix(filepath.Base(path), ".json")+".*.tmp")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

// isV2 tells whether Grafana keeps a dashboard in the other schema.
func isV2(dashboard json.RawMessage, apiVersion string) bool {
	_, err := lint.Parse(dashboard)
	return errors.Is(err, lint.ErrV2) || strings.HasPrefix(apiVersion, "v2")
}
