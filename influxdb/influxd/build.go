package influxd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"colorstream/generator/process"
)

// tool is the program's import path in the server module.
const tool = "github.com/influxdata/influxdb/v2/cmd/influxd"

// Builder builds influxd from source.
//
// Flux, its query language, is written in Rust, so there are three steps: fetch the sources through
// the Go module proxy, compile libflux with cargo into a static library, compile influxd against it
// with Go and a C compiler. All of it happens in a folder beside the result; the module cache is
// only read. What a failed build has done is kept, so that the next try is quick.
type Builder struct {
	Server string    // folder of the module that requires influxd
	Out    io.Writer // progress, for a person

	// Getenv is [os.Getenv] but in tests. The commands inherit the process's
	// environment all the same.
	Getenv func(string) string
}

// Build returns the path of the influxd to run as [Find] does, after building it if there is none.
// Of several builds at the same time one works and the others wait for it.
func (b *Builder) Build(ctx context.Context) (string, error) {
	path, err := Find(b.Getenv)
	if !errors.Is(err, ErrNotBuilt) {
		return path, err
	}
	if path, err = CachePath(b.Getenv); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder for influxd: %w", err)
	}
	lock, err := process.Lock(ctx, path+".lock", func() {
		fmt.Fprintln(b.Out, "Another build of InfluxDB is running; waiting for it.")
	})
	if err != nil {
		return "", fmt.Errorf("lock the build of influxd: %w", err)
	}
	defer lock.Close()
	if executable(path) == nil {
		return path, nil // built while we waited
	}
	if err := b.build(ctx, path); err != nil {
		return "", fmt.Errorf("build InfluxDB %s: %w", Version, err)
	}
	return path, nil
}

func (b *Builder) build(ctx context.Context, path string) error {
	start := time.Now()
	fmt.Fprintf(b.Out, "Building InfluxDB %s from source. This happens once, takes about 4 minutes on two cores\n"+
		"(longer on a slow network) and is kept as %s.\n", Version, path)
	if err := b.check(filepath.Dir(path)); err != nil {
		return err
	}
	work := path + ".build"
	s := &shell{out: b.Out, dir: work}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}

	fmt.Fprintln(b.Out, "[1/3] fetching the sources of InfluxDB and Flux")
	flux, err := b.fetch(ctx, s)
	if err != nil {
		return err
	}
	fmt.Fprintln(b.Out, "[2/3] compiling libflux (Rust)")
	lib, err := b.libflux(ctx, s, flux)
	if err != nil {
		return err
	}
	fmt.Fprintln(b.Out, "[3/3] compiling influxd (Go and C)")
	include := filepath.Join(flux, "libflux", "include")
	if err := b.influxd(ctx, s, include, lib, path+".new"); err != nil {
		return err
	}
	// Only a binary that runs gets the name that others look for.
	if out, err := exec.CommandContext(ctx, path+".new", "version").CombinedOutput(); err != nil {
		return fmt.Errorf("try the new binary: %w\n%s", err, out)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	fmt.Fprintf(b.Out, "Built %s in %v.\n", path, time.Since(start).Round(time.Second))
	return os.RemoveAll(work) // half a gigabyte
}

// fetch returns the folder of the flux module's sources.
func (b *Builder) fetch(ctx context.Context, s *shell) (string, error) {
	err := s.run(ctx, command{
		dir: b.Server, env: goEnv, hint: "the Go module proxy must be reachable",
		args: []string{"go", "mod", "download", "github.com/influxdata/influxdb/v2", "github.com/influxdata/flux"},
	})
	if err != nil {
		return "", err
	}
	list := exec.CommandContext(ctx, "go", "list",
		"-m", "-f", "{{.Dir}}", "github.com/influxdata/flux")
	list.Dir, list.Env = b.Server, append(os.Environ(), goEnv...)
	dir, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("find the sources of flux: %w", err)
	}
	return strings.TrimSpace(string(dir)), nil
}

// libflux compiles the Rust part and returns the folder of libflux.a. No other
// form of the library is made, or the linker would prefer a shared one.
func (b *Builder) libflux(ctx context.Context, s *shell, flux string) (string, error) {
	target := filepath.Join(s.dir, "target")
	env := []string{
		"CARGO_TARGET_DIR=" + target, // the module cache is read-only
		// The sources deny warnings, and a newer compiler has new ones. With
		// --target this flag would not reach the build script.
		"RUSTFLAGS=--cap-lints=warn",
		"CARGO_TERM_COLOR=never",
	}
	if toolchain := b.toolchain(ctx); toolchain != "" {
		env = append(env, "RUSTUP_TOOLCHAIN="+toolchain) // the sources pin an old one
	}
	return filepath.Join(target, "release"), s.run(ctx, command{
		dir: filepath.Join(flux, "libflux"), env: env,
		hint: "Rust 1.72 or newer is needed, and the crates registry must be reachable",
		args: []string{"cargo", "rustc", "--package=flux", "--lib", "--crate-type=staticlib", "--release", "--locked"},
	})
}

func (b *Builder) influxd(ctx context.Context, s *shell, include, lib, path string) error {
	pkgConfig, err := writePkgConfig(s.dir, include, lib)
	if err != nil {
		return fmt.Errorf("write pkg-config: %w", err)
	}
	tags := "sqlite_foreign_keys,sqlite_json"
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "s390x" {
		tags += ",noasm" // Flux panics elsewhere without
	}
	return s.run(ctx, command{
		dir: b.Server, hint: "a C compiler and the Go module proxy are needed",
		env: append(goEnv, "CGO_ENABLED=1", "PKG_CONFIG="+pkgConfig),
		args: []string{
			"go", "build", "-trimpath", "-tags=" + tags,
			"-ldflags=-s -w -X main.version=v" + Version, "-o", path, tool,
		},
	})
}
