package influxd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// diskNeeded is what a build takes at its peak beside the Go module cache.
const diskNeeded = 3 << 30

// goEnv keeps the server module apart from the workspace it lies in.
var goEnv = []string{"GOWORK=off", "GOFLAGS=-buildvcs=false"}

// check looks for everything that a build needs and reports all that is missing together.
func (b *Builder) check(cache string) error {
	var missing []error
	need := func(program, how string) {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, fmt.Errorf("%s is missing: %s", program, how))
		}
	}
	need("go", "install Go 1.26 from https://go.dev/dl")
	need("cargo", "install Rust with https://rustup.rs")
	need(b.compiler(), "install a C compiler, such as gcc or clang"+
		map[string]string{"darwin": " (xcode-select --install)", "linux": " (on Debian: apt-get install gcc libc6-dev)"}[runtime.GOOS])
	if _, err := os.Stat(filepath.Join(b.Server, "go.mod")); err != nil {
		missing = append(missing, fmt.Errorf("the module that says what to build is missing: %w", err))
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(cache, &disk); err == nil {
		if free := disk.Bavail * uint64(disk.Bsize); free < diskNeeded {
			missing = append(missing, fmt.Errorf("%s has %d MiB free, the build needs about %d: free some, or set XDG_CACHE_HOME to a folder elsewhere",
				cache, free>>20, diskNeeded>>20))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return errors.Join(append(missing, errors.New(
		"or do without this build: set INFLUXD to the path of an influxd 2 that you have, or run all in Docker: docker compose up --build"))...)
}

// compiler names the C compiler that cgo will call.
func (b *Builder) compiler() string {
	if fields := strings.Fields(b.Getenv("CC")); len(fields) > 0 {
		return fields[0]
	}
	for _, name := range []string{"gcc", "clang"} {
		if _, err := exec.LookPath(name); err == nil {
			return name
		}
	}
	return "gcc"
}

// toolchain names an installed Rust toolchain, or "" where rustup does not
// rule: cargo is then the only one.
func (b *Builder) toolchain(ctx context.Context) string {
	if named := b.Getenv("RUSTUP_TOOLCHAIN"); named != "" {
		return named
	}
	for _, args := range [][]string{{"show", "active-toolchain"}, {"toolchain", "list"}} {
		out, err := exec.CommandContext(ctx, "rustup", args...).Output()
		if fields := strings.Fields(string(out)); err == nil &&
			len(fields) > 0 && strings.Contains(fields[0], "-") {
			return fields[0]
		}
	}
	return ""
}

// writePkgConfig writes the one answer that cgo wants of pkg-config, so that
// it need not be installed. It returns the program's path.
func writePkgConfig(dir, include, lib string) (string, error) {
	libs := []string{"-L" + lib, "-lflux"}
	if runtime.GOOS == "linux" {
		libs = append(libs, "-ldl", "-lpthread", "-lm")
	}
	// cgo splits the answer as a shell would, so a space in a path is quoted
	// for cgo first, and the whole for the shell that prints it.
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	for i := range libs {
		libs[i] = quote(libs[i])
	}
	script := "#!/bin/sh\ncase \" $* \" in\n" +
		"*' --cflags '*) printf '%s\\n' " + quote(quote("-I"+include)) + " ;;\n" +
		"*' --libs '*) printf '%s\\n' " + quote(strings.Join(libs, " ")) + " ;;\n" +
		"esac\n"
	path := filepath.Join(dir, "pkg-config")
	return path, os.WriteFile(path, []byte(script), 0o755)
}
