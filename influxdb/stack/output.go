package main

import (
	"bytes"
	"log"
)

// say prints a line of the launcher's own.
func (s *stack) say(format string, args ...any) {
	s.out.Printf("%-9s │ "+format, append([]any{"stack"}, args...)...)
}

// lineWriter prints a program's output in whole lines with its name, and very long ones in pieces,
// on the one screen that all programs share. It is for one goroutine.
type lineWriter struct {
	out  *log.Logger
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
		l.out.Printf("%-9s │ %s", l.name, bytes.TrimRight(line, "\r"))
	}
}
