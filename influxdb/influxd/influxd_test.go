package influxd

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

func environ(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

// program writes an executable shell script.
func program(t *testing.T, path, script string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVersionIsThatOfTheModule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../server/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "github.com/influxdata/influxdb/v2 v" + Version + " "; !strings.Contains(string(text), want) {
		t.Errorf("../server/go.mod does not require %s", want)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	there := program(t, filepath.Join(dir, "colorstream", "influxd-"+Version), "")
	notExecutable := filepath.Join(dir, "text")
	if err := os.WriteFile(notExecutable, nil, 0o644); err != nil {
		t.Fatal(err)
	}

	check := func(pairs map[string]string, want, wantErr string) {
		t.Helper()
		got, err := Find(environ(pairs))
		if got != want || (err == nil) != (wantErr == "") ||
			err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%v: %q, %v; want %q, %q", pairs, got, err, want, wantErr)
		}
	}
	check(map[string]string{"XDG_CACHE_HOME": dir}, there, "")
	check(map[string]string{"XDG_CACHE_HOME": "relative", "HOME": "/no/home"},
		"", "/no/home/.cache/colorstream")
	check(map[string]string{"HOME": "/no/home"}, "", "not built yet")
	check(map[string]string{}, "", "neither XDG_CACHE_HOME nor HOME")
	check(map[string]string{"INFLUXD": there, "HOME": "/no/home"}, there, "")
	check(map[string]string{"INFLUXD": "/no/influxd", "XDG_CACHE_HOME": dir},
		"", "INFLUXD=/no/influxd")
	check(map[string]string{"INFLUXD": notExecutable}, "", "permission denied")
	if _, err := Find(environ(map[string]string{"HOME": "/no/home"})); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("got %v", err)
	}
}

func TestBuildUsesWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := program(t, filepath.Join(dir, "colorstream", "influxd-"+Version), "")
	var out bytes.Buffer
	getenv := environ(map[string]string{"XDG_CACHE_HOME": dir})
	if got, err := Build(t.Context(), "../server", &out, getenv); err != nil || got != want || out.Len() > 0 {
		t.Errorf("%q, %v, it says %q", got, err, out.String())
	}
}

// build builds with stand-ins for the programs of a build, and those alone.
func build(t *testing.T, cache string, stand map[string]string) (path, out string, err error) {
	t.Helper()
	tools := t.TempDir()
	for _, name := range []string{"mkdir", "df", "awk", "mv", "rm", "chmod", "grep"} {
		real, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(real, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range stand {
		program(t, filepath.Join(tools, name), script)
	}
	t.Setenv("PATH", tools)
	var b bytes.Buffer
	server, err := filepath.Abs("../server")
	if err != nil {
		t.Fatal(err)
	}
	path, err = Build(t.Context(), server, &b, environ(map[string]string{"XDG_CACHE_HOME": cache}))
	return path, b.String(), err
}

// A second build waits for the first, and has its binary.
func TestBuildWaits(t *testing.T) {
	cache := t.TempDir()
	path := filepath.Join(cache, "colorstream", "influxd-"+Version)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	first := flock.New(path + ".lock")
	if _, err := first.TryLock(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() {
		program(t, path, "true")
		_ = first.Close()
	})
	got, out, err := build(t, cache, nil)
	if got != path || err != nil || !strings.HasPrefix(out, "Another build") {
		t.Errorf("%s, %v:\n%s", got, err, out)
	}
}

// The whole course of a build.
func TestBuild(t *testing.T) {
	libflux := filepath.Join(t.TempDir(), "flux 1", "libflux")
	if err := os.MkdirAll(libflux, 0o755); err != nil {
		t.Fatal(err)
	}
	stand := map[string]string{
		"my-cc": "", "rustup": `echo "stable-some-where (default)"`,
		"cargo": `
			test "$RUSTUP_TOOLCHAIN" = stable-some-where && test "$RUSTFLAGS" = --cap-lints=warn || exit 9
			mkdir -p "$CARGO_TARGET_DIR/release" && echo "$PWD" > "$CARGO_TARGET_DIR/release/libflux.a"`,
		"go": `
			test "$GOWORK" = off || exit 9
			case "$*" in
			"env CC") echo my-cc -O2 ;;
			"env GOARCH") echo riscv64 ;;
			list*/influxdb/v2) echo v9.9.9 ;;
			list*/flux) echo "` + filepath.Dir(libflux) + `" ;;
			build*)
				test "$CGO_ENABLED" = 1 && test "$($PKG_CONFIG --libs flux)" = "" || exit 8
				echo "$CGO_CFLAGS" | grep -q "'-I` + libflux + `/include'$" || exit 7
				echo "$CGO_LDFLAGS" | grep -q "release' -lflux" || exit 6
				echo "$*" | grep -q "json,noasm -ldflags.*main.version=v9.9.9" || exit 5
				while [ "$1" != -o ]; do shift; done
				printf '#!/bin/sh\necho $1\n' > "$2" && chmod +x "$2" ;;
			esac`,
	}
	cache := filepath.Join(t.TempDir(), "ca che")
	path, out, err := build(t, cache, stand)
	if err != nil {
		t.Fatal(err, out)
	}
	if text, err := exec.Command(path, "hello").Output(); err != nil || string(text) != "hello\n" {
		t.Errorf("the binary says %q, %v", text, err)
	}
	for _, want := range []string{"4 minutes", "[1/3]", "[2/3]", "[3/3]", "Built " + path} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "colorstream", "*")); len(left) != 2 {
		t.Errorf("the cache has %v, want the binary and its lock", left)
	}

	fails := func(cache string, wants ...string) {
		t.Helper()
		path, _, err := build(t, cache, stand)
		if err == nil {
			t.Fatalf("it builds %s", path)
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
	}
	works := stand["go"]
	stand["go"] = strings.Replace(works, "echo $1", "exit 7", 1)
	fails(t.TempDir(), "exit status 7") // what it built does not run
	stand["go"] = works
	stand["cargo"] = `echo "error: this Rust is from 1998"; exit 101`
	fails(t.TempDir(), "exit status 101", "Rust 1.72", "this Rust is from 1998")
	// Everything that is missing is named at once, with what to do about it.
	clear(stand)
	t.Setenv("CC", "my-cc -O2")
	fails(t.TempDir(), "go is missing", "go.dev", "cargo is missing", "rustup.rs", "my-cc is missing",
		"C compiler", "INFLUXD", "docker compose")
}

func TestStartReportsWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	failing := program(t, filepath.Join(dir, "failing"), `echo "cannot open the bolt"; exit 4`)
	_, err := Start(t.Context(), Config{Binary: failing, Addr: "127.0.0.1:0", Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "exit status 4") ||
		!strings.Contains(err.Error(), "cannot open the bolt") {
		t.Errorf("got %v", err)
	}

	silent := program(t, filepath.Join(dir, "silent"), `exec sleep 60`)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, Config{Binary: silent, Addr: "127.0.0.1:0", Dir: dir}); err == nil ||
		!strings.Contains(err.Error(), "not ready") {
		t.Errorf("got %v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Start(t.Context(), Config{Binary: silent, Addr: l.Addr().String(), Dir: dir}); err == nil ||
		!strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}
