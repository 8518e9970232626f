package progress

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLine(t *testing.T) {
	t.Parallel()
	var screen strings.Builder
	l := &line{w: &screen}
	write := func(text string) {
		if n, err := fmt.Fprint(l, text); n != len(text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	want := func(text string) {
		t.Helper()
		if screen.String() != text {
			t.Errorf("%q, want %q", screen.String(), text)
		}
		screen.Reset()
	}
	write("log 1\n")
	want("log 1\n")
	l.show("50%")
	want("\r\x1b[K50%")
	l.show("50%")
	want("")
	write("log 2\n")
	want("\r\x1b[Klog 2\n50%")
	l.show("")
	want("\r\x1b[K")
	write("log 3\n")
	want("log 3\n")
}

func TestCompose(t *testing.T) {
	t.Parallel()
	want := func(share float64, rate float64, elapsed time.Duration, text string) {
		t.Helper()
		if got := compose(share, "7 published", rate, elapsed); got != text {
			t.Errorf("%q, want %q", got, text)
		}
	}
	want(-1, 1, time.Minute, "7 published  1.0/s")
	want(0, 0, time.Minute, "  0%  7 published  0.0/s")
	want(0.25, 1234.5, time.Minute, " 25%  7 published  1234/s  3m0s left")
	want(1, 12.5, time.Minute, "100%  7 published  12/s")
	want(0.5, 12.5, time.Millisecond, " 50%  7 published  12/s")
}
