package influxd

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"colorstream/generator/process"
)

const (
	progressInterval = 20 * time.Second
	killTimeout      = 3 * time.Second
)

// shell runs the commands of a build one after another.
type shell struct {
	out io.Writer
	dir string // keeps the log
}

type command struct {
	dir  string
	env  []string // on top of the process's own
	args []string
	hint string // what most likely is wrong when it fails
}

// run keeps the person informed while a command works, and shows the last lines of one that fails.
func (s *shell) run(ctx context.Context, c command) error {
	logPath := filepath.Join(s.dir, "build.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "\n$ cd %s && %s %s\n",
		c.dir, strings.Join(c.env, " "), strings.Join(c.args, " "))

	path, err := exec.LookPath(c.args[0])
	if err != nil {
		return err
	}
	p, err := process.Start(process.Command{
		Path: path, Args: c.args[1:], Dir: c.dir, Env: append(os.Environ(), c.env...), Output: log,
	})
	if err != nil {
		return err
	}
	start := time.Now()
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(s.out, "      … %v%s\n", time.Since(start).Round(time.Second),
				lastCompiled(p.Tail()))
		case <-ctx.Done():
			_ = p.Stop(killTimeout)
			return context.Cause(ctx)
		case <-p.Done():
			if err := p.Err(); err != nil {
				return fmt.Errorf("%s failed (%w); %s. Its last lines (all are in %s):\n    %s",
					strings.Join(c.args[:2], " "), err, c.hint, logPath, strings.Join(p.Tail(), "\n    "))
			}
			return nil
		}
	}
}

// lastCompiled picks what is being compiled out of cargo's output.
func lastCompiled(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if strings.HasPrefix(line, "Compiling ") {
			return ", " + strings.ToLower(line[:1]) + line[1:]
		}
	}
	return ""
}
