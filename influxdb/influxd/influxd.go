// Package influxd finds, builds and runs the InfluxDB server.
//
// The server is built once from its Go module (see server/build.sh) and kept in the user's cache
// folder, where every checkout and every test finds it.
//
// The package needs a Unix system. It knows nothing of organisations, buckets and tokens: see
// package setup.
package influxd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Version is the release that is built. The module in ../server requires the same one; a test holds
// the two together.
const Version = "2.8.0"

// ErrNotBuilt tells that there is no influxd yet: one must be built.
var ErrNotBuilt = errors.New("InfluxDB " + Version + " was not built yet")

// Find returns the path of the influxd to run: the one that the variable INFLUXD names, else the
// one in the cache. It returns [ErrNotBuilt] if the cache has none.
func Find(getenv func(string) string) (string, error) {
	if path := getenv("INFLUXD"); path != "" {
		if err := executable(path); err != nil {
			return "", fmt.Errorf("INFLUXD=%s cannot be run: %w", path, err)
		}
		return path, nil
	}
	path, err := CachePath(getenv)
	if err != nil {
		return "", err
	}
	switch err := executable(path); {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("%w (%s is not there)", ErrNotBuilt, path)
	case err != nil:
		return "", fmt.Errorf("cannot use %s: %w", path, err)
	}
	return path, nil
}

// CachePath returns where the built influxd is kept, whether or not it is there:
// ${XDG_CACHE_HOME:-~/.cache}/colorstream/influxd-<version>.
func CachePath(getenv func(string) string) (string, error) {
	cache := getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(cache) { // the XDG specification ignores a relative one
		home := getenv("HOME")
		if home == "" {
			return "", errors.New("no place to keep influxd: neither XDG_CACHE_HOME nor HOME is set")
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "colorstream", "influxd-"+Version), nil
}

// executable returns nil if the file can be run.
func executable(path string) error {
	_, err := exec.LookPath(path)
	return err
}
