package influx

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// MaxLines and MaxBytes bound one request.
	MaxLines = 5000
	MaxBytes = 4 << 20
	sayEvery = time.Minute
)

// A RejectedLine is one that InfluxDB will never take.
type RejectedLine struct {
	Line   []byte
	Reason string // InfluxDB's, at most about 300 bytes
}

// An Observer counts what Writers do. It must not block, and several goroutines may call it.
type Observer interface {
	// Answered: one request took so long; class is "" if it succeeded.
	Answered(took time.Duration, class Class)
	// Written counts points that InfluxDB has.
	Written(points int)
	// Rejected counts points that it never will have, by class: rejected, too_old or too_large.
	Rejected(points int, class Class)
}

// A Writer brings lines to InfluxDB by whatever number of requests it takes.
type Writer struct {
	log      *slog.Logger
	write    func(ctx context.Context, lines []byte) error
	observer Observer

	mu   sync.Mutex
	said map[Class]time.Time // when rejected lines of each class were logged last
}

// NewWriter returns a Writer that writes by a Client's Write.
func NewWriter(
	log *slog.Logger, write func(context.Context, []byte) error, observer Observer,
) *Writer {
	return &Writer{log: log, write: write, observer: observer, said: make(map[Class]time.Time)}
}

// Write delivers lines; those that are empty or comments do not count. Each request goes through
// try, which repeats it while InfluxDB does not answer for good; after try's error some lines are
// not delivered. Write returns the lines that InfluxDB rejects, but for those that are too old.
func (w *Writer) Write(
	ctx context.Context, try func(func() error) error, texts ...[]byte,
) ([]RejectedLine, error) {
	d := &delivery{Writer: w, try: try}
	var lines [][]byte
	size := 0
	for _, text := range texts {
		for line := range bytes.Lines(text) {
			if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 || line[0] == '#' {
				continue
			}
			if len(lines) == MaxLines || size+len(line) >= MaxBytes {
				if err := d.request(ctx, lines); err != nil {
					return d.rejected, err
				}
				lines, size = lines[:0], 0
			}
			lines, size = append(lines, line), size+len(line)+1
		}
	}
	return d.rejected, d.request(ctx, lines)
}

// A delivery is one call of Write.
type delivery struct {
	*Writer
	try      func(func() error) error
	rejected []RejectedLine
}

// request delivers lines that may go together. If some are rejected, or they are too large, they
// are halved until each of those stands alone.
func (d *delivery) request(ctx context.Context, lines [][]byte) error {
	if len(lines) == 0 {
		return nil
	}
	body := bytes.Join(lines, []byte("\n"))
	var answer *WriteError
	err := d.try(func() error {
		start := time.Now()
		err := d.write(ctx, body)
		var class Class
		if answer, _ = errors.AsType[*WriteError](err); answer != nil {
			class = answer.Class
		} else if err != nil {
			return err
		}
		if d.observer.Answered(time.Since(start), class); class.final() {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case answer == nil:
		d.observer.Written(len(lines))
		return nil
	case answer.Class == TooOld && answer.Dropped <= len(lines): // it has written the others
		d.reject(lines[:answer.Dropped], answer)
		d.observer.Written(len(lines) - answer.Dropped)
		return nil
	case len(lines) == 1, answer.Dropped == len(lines):
		d.reject(lines, answer)
		return nil
	}
	half := len(lines) / 2
	if err := d.request(ctx, lines[:half]); err != nil {
		return err
	}
	return d.request(ctx, lines[half:])
}

// reject takes lines that InfluxDB will never have.
func (d *delivery) reject(lines [][]byte, answer *WriteError) {
	d.observer.Rejected(len(lines), answer.Class)
	message := "InfluxDB rejects points; they are dead letters"
	// A message may quote the line, of any length.
	reason := shorten(strings.ReplaceAll(answer.Message, string(lines[0]), "…"))
	if reason == "" {
		reason = answer.Error()
	}
	if answer.Class == TooOld {
		// Which ones they are does not matter: there may be any number, and nothing is wrong with them.
		message = "points are older than the bucket keeps; they are only counted"
	} else {
		for _, line := range lines {
			d.rejected = append(d.rejected, RejectedLine{line, reason})
		}
	}
	if d.say(answer.Class) {
		d.log.Warn(message, "points", len(lines), "reason", reason, "first", shorten(string(lines[0])))
	}
}

// say reports whether the class was not logged for a minute. Points that are too old are said once.
func (w *Writer) say(class Class) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, ok := w.said[class]
	if ok && (class == TooOld || time.Since(last) < sayEvery) {
		return false
	}
	w.said[class] = time.Now()
	return true
}
