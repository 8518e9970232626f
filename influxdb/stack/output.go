package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// output is the one screen that all programs share: whole lines, each with its program's name.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

// say prints a line of the launcher's own.
func (o *output) say(format string, args ...any) { o.line("stack", fmt.Sprintf(format, args...)) }

func (o *output) line(name, text string) { o.print(fmt.Sprintf("%-9s │ %s", name, text)) }

func (o *output) print(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintln(o.w, text)
}

// lineWriter prints a program's output in whole lines, and very long ones in pieces. It is for one
// goroutine.
type lineWriter struct {
	out  *output
	name string
	rest []byte
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
		l.out.line(l.name, string(bytes.TrimRight(line, "\r")))
	}
}
