// Package pull brings dashboards that people edited and saved in Grafana's pages back into the
// files that Grafana is provisioned from.
//
// It reads each file's dashboard from Grafana by its uid, and writes the file only if something
// that matters has changed. What was edited in a file and in Grafana both, ends up as Grafana has
// it: the version history shows the rest. Dashboards that no file has are named, and written if
// asked for.
package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"colorstream/grafana/lint"
)

// client bounds one request.
var client = http.Client{Timeout: 15 * time.Second}

var errNotFound = errors.New("not found")

// Config says from where to where.
type Config struct {
	URL            string
	Token          string // or
	User, Password string // or nothing: as an anonymous visitor
	Dir            string
	Only           []string // uids; none means all that have a file
}

// A file holds a dashboard.
type file struct {
	path string
	old  []byte // nil for a new file
}

// Run pulls and tells on out, line by line, what it did.
func Run(ctx context.Context, out io.Writer, c Config) error {
	known, err := files(c.Dir)
	if err != nil {
		return err
	}
	uids := c.Only
	var all []struct{ UID string }
	if len(uids) == 0 {
		uids = slices.Sorted(maps.Keys(known))
		if err := c.get(ctx, "/api/search?type=dash-db&limit=5000", &all); err != nil {
			return err
		}
	}
	var failed []error
	for _, uid := range uids {
		f, ok := known[uid]
		if !ok {
			f.path = filepath.Join(c.Dir, uid+".json")
		}
		said, err := c.one(ctx, uid, f)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", filepath.Base(f.path), err))
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", filepath.Base(f.path), said)
	}
	for _, d := range all {
		if _, ok := known[d.UID]; !ok {
			fmt.Fprintf(out, "%s is in Grafana only; give its uid to save it as %[1]s.json\n", d.UID)
		}
	}
	return errors.Join(failed...)
}

// files finds the dashboards in the folder, by uid. One broken file stops everything: to write over
// it might lose what somebody was doing there.
func files(dir string) (map[string]file, error) {
	out := map[string]file{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		d, err := lint.Parse(data)
		switch {
		case err == nil && d.UID == "":
			err = errors.New("it has no uid")
		case err == nil && out[d.UID].path != "":
			err = fmt.Errorf("its uid is that of %s too", out[d.UID].path)
		}
		if err != nil {
			return fmt.Errorf("%s: %w; correct the file before pulling", path, err)
		}
		out[d.UID] = file{path, data}
		return nil
	})
	return out, err
}

// one pulls one dashboard and says what became of it.
func (c Config) one(ctx context.Context, uid string, f file) (string, error) {
	var answer struct{ Dashboard json.RawMessage }
	err := c.get(ctx, "/api/dashboards/uid/"+url.PathEscape(uid), &answer)
	switch {
	case errors.Is(err, errNotFound) && f.old == nil:
		return "", fmt.Errorf("there is no dashboard %q, neither in %s nor at %s", uid, c.Dir, c.URL)
	case errors.Is(err, errNotFound):
		return "not in Grafana (yet), left as it is", nil
	case err != nil:
		return "", err
	}
	fresh, err := Canonical(answer.Dashboard, f.old)
	if err != nil {
		return "", fmt.Errorf("read Grafana's answer: %w", err)
	}
	said := "new"
	if f.old != nil {
		present, err := Canonical(f.old, f.old)
		if err != nil {
			return "", err
		}
		if bytes.Equal(present, fresh) {
			return "unchanged", nil
		}
		said = "written"
	}
	return said, os.WriteFile(f.path, fresh, 0o644)
}

// get reads JSON from Grafana.
func (c Config) get(ctx context.Context, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(c.URL, "/")+path,
		nil)
	if err != nil {
		return fmt.Errorf("GRAFANA_URL=%s: %w", c.URL, err)
	}
	switch {
	case c.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.Token)
	case c.User != "":
		req.SetBasicAuth(c.User, c.Password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("GRAFANA_URL=%s: Grafana does not answer: %w", c.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch status := resp.StatusCode; {
	case err != nil:
		return fmt.Errorf("read Grafana's answer: %w", err)
	case status == http.StatusNotFound:
		return errNotFound
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("not allowed (%s): set GRAFANA_TOKEN, or GRAFANA_USER and GRAFANA_PASSWORD",
			resp.Status)
	case status != http.StatusOK && bytes.Contains(body, []byte("v2")):
		return lint.ErrV2
	case status != http.StatusOK:
		return fmt.Errorf("unexpected answer %s to %s: %.200s", resp.Status, path, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("GRAFANA_URL=%s: what answers is not Grafana: %w", c.URL, err)
	}
	return nil
}
