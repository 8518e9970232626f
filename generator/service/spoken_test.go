package service

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
)

// spoken reads a program's output.
type spoken struct{ scanner *bufio.Scanner }

func newSpoken(r io.Reader) *spoken { return &spoken{bufio.NewScanner(r)} }

func (l *spoken) want(t *testing.T, text string) {
	t.Helper()
	if !l.scanner.Scan() || l.scanner.Text() != text {
		t.Fatalf("%q, want %q (%v)", l.scanner.Text(), text, l.scanner.Err())
	}
}

func interrupt(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
}
