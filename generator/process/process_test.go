package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The test binary plays the child: a process with this variable does what it says and is no test.
const role = "PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	switch what := os.Getenv(role); what {
	case "":
		os.Exit(m.Run())
	case "polite":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		fmt.Println("ready")
		<-signals
		fmt.Println("bye")
		os.Exit(5)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour) // with nothing to wait for, Go would call it a deadlock
	case "parent": // of a grandchild that it leaves behind with its output
		p, err := os.StartProcess(os.Args[0], os.Args[:1], &os.ProcAttr{
			Env: []string{role + "=stubborn"}, Files: []*os.File{nil, os.Stdout, os.Stderr},
		})
		if err != nil {
			panic(err)
		}
		fmt.Println("grandchild", p.Pid)
	case "owner": // of a child, and is killed
		cmd := exec.Command(os.Args[0])
		cmd.Env, cmd.Stdout = []string{role + "=polite"}, os.Stdout
		child, err := Start(cmd)
		if err != nil {
			panic(err)
		}
		fmt.Println("child", child.PID())
		select {}
	default:
		fmt.Println("out")
		fmt.Fprintln(os.Stderr, "err")
		status, _ := strconv.Atoi(what)
		os.Exit(status)
	}
}

func play(t *testing.T, what string) (*Process, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(self(t))
	cmd.Env, cmd.Stdout = []string{role + "=" + what}, &out
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p, &out
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func waitFor(t *testing.T, p *Process, text string) string {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for ; time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, line := range p.Tail() {
			if rest, ok := strings.CutPrefix(line, text); ok {
				return strings.TrimSpace(rest)
			}
		}
	}
	t.Fatalf("it never says %q: %q", text, p.Tail())
	return ""
}

func TestEnding(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 3} {
		p, out := play(t, strconv.Itoa(status))
		err := p.Err()
		if (err == nil) != (status == 0) {
			t.Errorf("status %d: %v", status, err)
		}
		if err != nil && err.Error() != fmt.Sprintf("exit status %d", status) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff("out\nerr\n", out.String()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"out", "err"}, p.Tail()); diff != "" {
			t.Error(diff)
		}
		if err := p.Stop(time.Second); err != nil { // of one that has ended
			t.Error(err)
		}
	}
}

func TestStopIsPoliteFirst(t *testing.T) {
	t.Parallel()
	p, _ := play(t, "polite")
	waitFor(t, p, "ready")
	if err := p.Stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	waitFor(t, p, "bye")
}

func TestStopKillsInTheEnd(t *testing.T) {
	t.Parallel()
	p, _ := play(t, "stubborn")
	waitFor(t, p, "ready")
	if err := p.Stop(50 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v", err)
	}
	if err := p.Err(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended with %v", err)
	}
}

func TestGrandchildDoesNotHoldTheEnd(t *testing.T) {
	t.Parallel()
	p, _ := play(t, "parent")
	pid, err := strconv.Atoi(waitFor(t, p, "grandchild "))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	select {
	case <-p.Done():
		if err := p.Err(); err != nil {
			t.Errorf("got %v", err)
		}
	case <-time.After(drainTimeout + 10*time.Second):
		t.Fatal("a child that ended is waited for")
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	if _, err := Start(exec.Command("/no/such/program")); err == nil ||
		!strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("got %v", err)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	var tail tail
	for i := range 10_000 {
		fmt.Fprintf(&tail, "line %d\n\n", i)
	}
	fmt.Fprint(&tail, "the ")
	fmt.Fprint(&tail, "end")
	lines := tail.lines()
	if diff := cmp.Diff([]string{"line 9999", "the end"}, lines[len(lines)-2:]); diff != "" {
		t.Error(diff)
	}
	if len(lines) < 300 || len(tail.text) != tailSize {
		t.Errorf("%d lines in %d bytes", len(lines), len(tail.text))
	}
}

func TestWaitReady(t *testing.T) {
	t.Parallel()
	p, _ := play(t, "polite")
	asked := 0
	if err := p.WaitReady(t.Context(), func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	never := func(context.Context) error { return errors.New("it answers 503") }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := p.WaitReady(ctx, never)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "it answers 503") {
		t.Errorf("one that is never ready: %v", err)
	}
	ended, _ := play(t, "3")
	err = ended.WaitReady(t.Context(), never)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") ||
		!strings.HasSuffix(err.Error(), "\n    err") {
		t.Errorf("one that ends: %v", err)
	}
}
