package service

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be a program of its own.
func TestMain(m *testing.M) {
	if task := os.Getenv("SERVICE_TEST_MAIN"); task != "" {
		Main(func(ctx context.Context, p Process) error {
			switch task {
			case "ok":
				_, err := fmt.Fprint(p.Stdout, p.Args, p.Environ["SERVICE_TEST_MAIN"])
				return err
			case "wait":
				fmt.Fprintln(p.Stdout, "waiting")
				<-ctx.Done()
				return nil
			case "hang":
				fmt.Fprintln(p.Stdout, "waiting")
				<-ctx.Done()
				fmt.Fprintln(p.Stdout, "hanging")
				select {}
			case "usage":
				return fmt.Errorf("wrapped: %w", Usage(errors.New("no such word")))
			case "status":
				return &ExitError{Status: 3, Err: errors.New("not all")}
			}
			return errors.New("broken")
		})
		return
	}
	os.Exit(m.Run())
}

func TestMainFunction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		task           string
		status         int
		stdout, stderr string
	}{
		{"ok", 0, "[-test.v]ok", ""},
		{"fail", 1, "", "service.test: broken\n"},
		{"usage", 2, "", "service.test: wrapped: no such word\n"},
		{"status", 3, "", "service.test: not all\n"},
	} {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(os.Args[0], "-test.v")
		cmd.Env = append(os.Environ(), "SERVICE_TEST_MAIN="+c.task)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if exit, ok := errors.AsType[*exec.ExitError](err); (ok && exit.ExitCode() != c.status) ||
			(err == nil) != (c.status == 0) {
			t.Errorf("%s: %v, want status %d", c.task, err, c.status)
		}
		if stdout.String() != c.stdout || stderr.String() != c.stderr {
			t.Errorf("%s: %q, %q", c.task, stdout.String(), stderr.String())
		}
	}
}

// begin starts a program and waits until it says so.
func begin(t *testing.T, task string, command ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "SERVICE_TEST_MAIN="+task)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	out := bufio.NewScanner(pipe)
	says(t, out, "waiting")
	return cmd, out
}

func says(t *testing.T, out *bufio.Scanner, line string) {
	t.Helper()
	if !out.Scan() || out.Text() != line {
		t.Fatalf("%q, want %q (%v)", out.Text(), line, out.Err())
	}
}

func send(t *testing.T, cmd *exec.Cmd, s os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func TestMainSignals(t *testing.T) {
	t.Parallel()
	// Else a program under this test would ignore SIGHUP where the test runs under nohup.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		cmd, _ := begin(t, "wait", os.Args[0])
		send(t, cmd, s)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
	cmd, out := begin(t, "hang", os.Args[0])
	send(t, cmd, os.Interrupt)
	says(t, out, "hanging")
	send(t, cmd, os.Interrupt)
	if err := cmd.Wait(); err == nil || err.Error() != "exit status 130" {
		t.Errorf("two signals: %v", err)
	}
}

// A program that was started with nohup outlives its terminal.
func TestMainUnderNohup(t *testing.T) {
	t.Parallel()
	cmd, _ := begin(t, "wait", "sh", "-c", `trap "" HUP; exec "$0"`, os.Args[0])
	send(t, cmd, syscall.SIGHUP)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("SIGHUP ends it: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	send(t, cmd, os.Interrupt)
	if err := <-ended; err != nil {
		t.Errorf("an interrupt: %v", err)
	}
}
