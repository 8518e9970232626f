package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
)

// output is the one screen that all programs share: whole lines, each with its program's name.
type output struct {
	mu      sync.Mutex
	w       io.Writer
	colour  bool
	writers int
}

// palette is of colours that can be read on dark and light screens.
var palette = []int{36, 33, 35, 32, 34, 96, 95}

func newOutput(w io.Writer, environ map[string]string) *output {
	o := &output{w: w}
	if file, ok := w.(*os.File); ok && environ["NO_COLOR"] == "" && environ["TERM"] != "dumb" {
		info, err := file.Stat()
		o.colour = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return o
}

// say prints a line of the launcher's own.
func (o *output) say(format string, args ...any) { o.line("stack", 1, fmt.Sprintf(format, args...)) }

func (o *output) line(name string, style int, text string) {
	prefix := fmt.Sprintf("%-9s │ ", name)
	if o.colour {
		prefix = fmt.Sprintf("\x1b[%dm%s\x1b[0m", style, prefix)
	}
	o.print(prefix + text)
}

func (o *output) print(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintln(o.w, text)
}

// writer returns the writer for a program's output, for one goroutine at a time.
func (o *output) writer(name string) io.Writer {
	o.writers++
	return &lineWriter{out: o, name: name, style: palette[o.writers%len(palette)]}
}

// lineWriter prints whole lines, and very long ones in pieces.
type lineWriter struct {
	out   *output
	name  string
	style int
	rest  []byte
}

const longestLine = 16 << 10

func (l *lineWriter) Write(text []byte) (int, error) {
	l.rest = append(l.rest, text...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole && len(line) < longestLine {
			return len(text), nil
		}
		l.rest = rest
		l.out.line(l.name, l.style, string(bytes.TrimRight(line, "\r")))
	}
}
