package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"colorstream/generator/process"
)

// checkPorts returns an error that names every port that is taken, before anything starts.
func checkPorts(parts []part) error {
	var problems []string
	for _, p := range parts {
		if p.addr == "" || p.addr == addrOff {
			continue
		}
		if err := p.checkPort(); err != nil {
			problems = append(problems, "\n  "+err.Error())
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New("nothing was started:" + strings.Join(problems, ""))
}

func (p part) checkPort() error {
	err := process.Unused(p.addr)
	if err == nil {
		return nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s cannot listen on %s (%s): %w", p.name, p.addr, p.variable, err)
	}
	_, port, _ := net.SplitHostPort(p.addr)
	advice := fmt.Sprintf("stop that, or set %s, such as %s=%s", p.variable, p.variable, p.example)
	if p.external {
		advice += ", or use what is there with STACK_EXTERNAL=" + p.name
	}
	return fmt.Errorf("port %s, where %s is to listen (%s), is in use by %s: %s",
		port, p.name, p.addr, cmp.Or(holder(port), "another program"), advice)
}

// holder names the process that listens on a port of this machine, as far as Linux tells in /proc.
func holder(port string) string {
	number, _ := strconv.Atoi(port)
	end, sockets := fmt.Sprintf(":%04X", number), map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			const listening, local, state, inode = "0A", 1, 3, 9
			f := strings.Fields(line)
			if len(f) > inode && f[state] == listening && strings.HasSuffix(f[local], end) {
				sockets["socket:["+f[inode]+"]"] = true
			}
		}
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil && sockets[target] {
			dir := filepath.Dir(filepath.Dir(file))
			name, _ := os.ReadFile(filepath.Join(dir, "comm"))
			return fmt.Sprintf("%s (process %s)", bytes.TrimSpace(name), filepath.Base(dir))
		}
	}
	return ""
}
