package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// output is the one screen that all parts share: whole lines, each with its part's name before it.
type output struct {
	mu     sync.Mutex
	w      io.Writer
	colour bool
	parts  int
}

const nameWidth = 9

// palette is of colours that can be read on dark and light screens.
var palette = []int{36, 33, 35, 32, 34, 96, 95}

func newOutput(w io.Writer, environ map[string]string) *output {
	file, ok := w.(*os.File)
	terminal := false
	if ok {
		info, err := file.Stat()
		terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return &output{w: w, colour: terminal && environ["NO_COLOR"] == "" && environ["TERM"] != "dumb"}
}

// say prints a line of the launcher's own.
func (o *output) say(format string, args ...any) { o.line("stack", "1", fmt.Sprintf(format, args...)) }

func (o *output) line(name, style, text string) {
	prefix := fmt.Sprintf("%-*s │ ", nameWidth, name)
	if o.colour {
		prefix = "\x1b[" + style + "m" + prefix + "\x1b[0m"
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(o.w, "%s%s\n", prefix, text)
}

// part returns the writer for a part's output.
func (o *output) part(name string) *partWriter {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.parts++
	return &partWriter{out: o, name: name, style: fmt.Sprint(palette[o.parts%len(palette)])}
}

// partWriter collects one part's output into lines. It is written to by one goroutine at a time; muted, it prints
// none of them.
type partWriter struct {
	out         *output
	name, style string
	rest        []byte
	boring      string // lines with it in them are left out
	muted       atomic.Bool
}

const longestLine = 16 << 10

func (p *partWriter) Write(text []byte) (int, error) {
	p.rest = append(p.rest, text...)
	for {
		line, rest, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole && len(line) < longestLine {
			return len(text), nil
		}
		p.rest = rest
		if !p.muted.Load() && (p.boring == "" || !bytes.Contains(line, []byte(p.boring))) {
			p.out.line(p.name, p.style, string(bytes.TrimRight(line, "\r")))
		}
	}
}

// flush prints a last line that has no end.
func (p *partWriter) flush() {
	if len(p.rest) > 0 && !p.muted.Load() {
		p.out.line(p.name, p.style, string(p.rest))
		p.rest = nil
	}
}

// block prints lines together, without a prefix.
func (o *output) block(lines []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, line := range lines {
		fmt.Fprintln(o.w, line)
	}
}
