// Package pull brings dashboards that people edited and saved in Grafana's pages back into the files
// that Grafana is provisioned from.
//
// It reads each file's dashboard from Grafana by its uid, and writes the file only if something that
// matters has changed. What was edited in a file and in Grafana both, ends up as Grafana has it: the
// version history shows the rest. Dashboards that no file has are named, and written if asked for.
package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"colorstream/grafana/lint"
)

// timeout bounds one request.
const timeout = 15 * time.Second

var errNotFound = errors.New("not found")

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
	var all []struct{ UID string }
	if len(c.Only) == 0 {
		if err := c.get(ctx, "/api/search?type=dash-db&limit=5000", &all); err != nil {
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

// files lists the dashboards in the folder. One broken file stops everything: to write over it might
// lose what somebody was doing there.
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
	var answer struct{ Dashboard json.RawMessage }
	err := c.get(ctx, "/api/dashboards/uid/"+url.PathEscape(t.uid), &answer)
	switch {
	case errors.Is(err, errNotFound) && t.old == nil:
		return "", fmt.Errorf("there is no dashboard %q, neither in %s nor at %s", t.uid, c.Dir, c.URL)
	case errors.Is(err, errNotFound):
		return "not in Grafana (yet), left as it is", nil
	case err != nil:
		return "", err
	}
	if _, err := lint.Parse(answer.Dashboard); errors.Is(err, lint.ErrV2) {
		return "", err
	} else if err != nil {
		return "", fmt.Errorf("read Grafana's answer: %w", err)
	}
	fresh, err := Canonical(answer.Dashboard, t.old)
	if err != nil {
		return "", fmt.Errorf("read Grafana's answer: %w", err)
	}
	said := "new"
	if t.old != nil {
		present, err := Canonical(t.old, t.old)
		if err != nil {
			return "", err
		}
		if bytes.Equal(present, fresh) {
			return "unchanged", nil
		}
		said = "written"
	}
	return said, os.WriteFile(t.path, fresh, 0o644)
}

// get reads JSON from Grafana.
func (c Config) get(ctx context.Context, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(c.URL, "/")+path, nil)
	if err != nil {
		return fmt.Errorf("GRAFANA_URL=%s: %w", c.URL, err)
	}
	switch {
	case c.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.Token)
	case c.User != "":
		req.SetBasicAuth(c.User, c.Password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("GRAFANA_URL=%s: Grafana does not answer: %w", c.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read Grafana's answer: %w", err)
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return errNotFound
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("not allowed (%s): set GRAFANA_TOKEN, or GRAFANA_USER and GRAFANA_PASSWORD",
			resp.Status)
	case resp.StatusCode != http.StatusOK && bytes.Contains(body, []byte("v2")):
		return lint.ErrV2
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("unexpected answer %s to %s: %.200s", resp.Status, path, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("GRAFANA_URL=%s: what answers is not Grafana: %w", c.URL, err)
	}
	return nil
}
