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
	check(map[string]string{"INFLUXD": notExecutable}, "", "no executable")
	if _, err := Find(environ(map[string]string{"HOME": "/no/home"})); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("got %v", err)
	}
}

func TestBuildUsesWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := program(t, filepath.Join(dir, "colorstream", "influxd-"+Version), "")
	var out bytes.Buffer
	b := &Builder{Server: "../server", Out: &out, Getenv: environ(map[string]string{"XDG_CACHE_HOME": dir})}
	if got, err := b.Build(t.Context()); err != nil || got != want || out.Len() > 0 {
		t.Errorf("%q, %v, it says %q", got, err, out.String())
	}
}

// Everything that is missing is named at once, with what to do about it.
func TestBuildNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	b := &Builder{Server: "../nowhere", Out: t.Output(), Getenv: environ(map[string]string{"XDG_CACHE_HOME": t.TempDir(), "CC": "my-cc -O2"})}
	_, err := b.Build(t.Context())
	if err == nil {
		t.Fatal("it succeeds")
	}
	for _, want := range []string{"go is missing", "go.dev", "cargo is missing", "rustup.rs", "my-cc is missing", "C compiler", "nowhere", "INFLUXD", "docker compose"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

// The whole course of a build, with stand-ins for go and cargo.
func TestBuild(t *testing.T) {
	tools, cache := t.TempDir(), t.TempDir()
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	libflux := filepath.Join(t.TempDir(), "flux 1", "libflux")
	if err := os.MkdirAll(libflux, 0o755); err != nil {
		t.Fatal(err)
	}
	program(t, filepath.Join(tools, "rustup"), `echo "stable-some-where (default)"`)
	program(t, filepath.Join(tools, "cargo"), `
		echo "   Compiling flux v0.1"
		test "$RUSTUP_TOOLCHAIN" = stable-some-where && test "$RUSTFLAGS" = --cap-lints=warn || exit 9
		mkdir -p "$CARGO_TARGET_DIR/release" && echo "$PWD" > "$CARGO_TARGET_DIR/release/libflux.a"`)
	program(t, filepath.Join(tools, "go"), `
		case "$1" in
		list) echo "`+filepath.Dir(libflux)+`" ;;
		build)
			test "$GOWORK" = off && test "$CGO_ENABLED" = 1 || exit 9
			$PKG_CONFIG --cflags -- flux | grep -q "^'-I`+libflux+`/include'$" || exit 8
			$PKG_CONFIG --libs -- flux | grep -q "release' '-lflux'" || exit 7
			while [ "$1" != -o ]; do shift; done
			printf '#!/bin/sh\necho $1\n' > "$2" && chmod +x "$2" ;;
		esac`)
	var out bytes.Buffer
	b := &Builder{Server: "../server", Out: &out, Getenv: environ(map[string]string{"XDG_CACHE_HOME": cache, "CC": "sh"})}
	path, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(path, "hello").Output(); err != nil || string(text) != "hello\n" {
		t.Errorf("the binary says %q, %v", text, err)
	}
	for _, want := range []string{"4 minutes", "[1/3]", "[2/3]", "[3/3]", "Built " + path} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "colorstream", "*")); len(left) != 2 {
		t.Errorf("the cache has %v, want the binary and its lock", left)
	}

	// And one that fails.
	program(t, filepath.Join(tools, "cargo"), `echo "error: this Rust is from 1998"; exit 101`)
	b.Getenv = environ(map[string]string{"XDG_CACHE_HOME": t.TempDir(), "CC": "sh"})
	_, err = b.Build(t.Context())
	if err == nil {
		t.Fatal("it succeeds")
	}
	for _, want := range []string{"cargo rustc failed", "exit status 101", "Rust 1.72", "this Rust is from 1998", "build.log"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
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
	if _, err := Start(t.Context(), Config{Binary: silent, Addr: l.Addr().String(), Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
	if _, err := Start(t.Context(), Config{Binary: silent, Addr: "8086", Dir: dir}); err == nil ||
		!strings.Contains(err.Error(), `"8086"`) {
		t.Errorf("got %v", err)
	}
}
