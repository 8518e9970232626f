package influx

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
)

const (
	// MaxLines and MaxBytes bound one request.
	MaxLines = 5000
	MaxBytes = 4 << 20
	// leastBytes is what the bound does not fall below, whatever InfluxDB says; less is tried each time anew.
	leastBytes = 64 << 10
)

// A delivery brings lines to InfluxDB by whatever number of requests it takes.
type delivery struct {
	write func(ctx context.Context, lines []byte) error
	// written hears of lines that InfluxDB has.
	written func(n int)
	// refused is given each line that InfluxDB will never take. It does not keep the line.
	refused func(line []byte, reason string)
	// trouble is asked after every other failure: nil means to try again, now.
	trouble func(ctx context.Context, err *WriteError) error
	// maxBytes is what a request may have. It shrinks when InfluxDB, or what stands before it, asks for that.
	maxBytes int
}

// send delivers lines; those that are empty or comments do not count. An error comes from ctx or from trouble, and
// means that some lines are not delivered.
func (d *delivery) send(ctx context.Context, text []byte) error {
	var lines [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 || line[0] == '#' {
			continue
		}
		lines = append(lines, line)
	}
	for len(lines) > 0 {
		n, size := 0, 0
		for n < len(lines) && n < MaxLines && (n == 0 || size+len(lines[n]) < d.maxBytes) {
			size += len(lines[n]) + 1
			n++
		}
		if err := d.request(ctx, lines[:n]); err != nil {
			return err
		}
		lines = lines[n:]
	}
	return nil
}

// request delivers lines that may go together.
func (d *delivery) request(ctx context.Context, lines [][]byte) error {
	if len(lines) == 0 {
		return nil
	}
	body := bytes.Join(lines, []byte("\n"))
	for {
		err := d.write(ctx, body)
		if err == nil {
			d.written(len(lines))
			return nil
		}
		answer, ok := errors.AsType[*WriteError](err)
		if !ok {
			return err
		}
		if answer.Class.splits() {
			return d.split(ctx, lines, len(body), answer)
		}
		if err := d.trouble(ctx, answer); err != nil {
			return err
		}
	}
}

// split delivers lines that were refused together.
func (d *delivery) split(ctx context.Context, lines [][]byte, size int, answer *WriteError) error {
	if answer.Class == TooLarge && len(lines) > 1 {
		d.maxBytes = min(d.maxBytes, max(size/2, leastBytes))
	}
	switch {
	case len(lines) == 1:
		d.refused(lines[0], reasonOf(answer, lines[0]))
		return nil
	case answer.Class == Refused && droppedAll(answer.Message, len(lines)):
		for _, line := range lines {
			d.refused(line, reasonOf(answer, line))
		}
		return nil
	case answer.Class == Refused:
		if reasons := quoted(answer.Message, lines); len(reasons) > 0 {
			var rest [][]byte
			for _, line := range lines {
				if reason, ok := reasons[string(line)]; ok {
					d.refused(line, reason)
				} else {
					rest = append(rest, line)
				}
			}
			return d.request(ctx, rest)
		}
	}
	if err := d.request(ctx, lines[:len(lines)/2]); err != nil {
		return err
	}
	return d.request(ctx, lines[len(lines)/2:])
}

// quoted finds, in the answer to a request that could not be parsed, the request's lines that it quotes:
//
//	unable to parse 'm,color=b f=x 1': invalid boolean
//	unable to parse 'nonsense': missing fields
func quoted(message string, lines [][]byte) map[string]string {
	const before, after = "unable to parse '", "': "
	if !strings.HasPrefix(message, before) {
		return nil
	}
	known := make(map[string]bool, len(lines))
	for _, line := range lines {
		known[string(line)] = true
	}
	reasons := make(map[string]string)
	for part := range strings.SplitSeq(message, "\n") {
		part, ok := strings.CutPrefix(part, before)
		for i := 0; ok; i += len(after) {
			j := strings.Index(part[i:], after)
			if j < 0 {
				break
			}
			i += j
			if line := part[:i]; known[line] {
				reasons[line] = shorten("unable to parse: " + part[i+len(after):])
				break
			}
		}
	}
	return reasons
}

// droppedAll tells whether the answer to a partial write says that all n lines were dropped:
//
//	failure writing points to database: partial write: field type conflict: … dropped=3
func droppedAll(message string, n int) bool {
	_, count, ok := strings.Cut(message, " dropped=")
	return ok && strings.Contains(message, "partial write: ") && count == strconv.Itoa(n)
}

// reasonOf is why line was refused, without the line itself.
func reasonOf(answer *WriteError, line []byte) string {
	if reason, ok := quoted(answer.Message, [][]byte{line})[string(line)]; ok {
		return reason
	}
	if text := shorten(answer.Message); text != "" {
		return text
	}
	return answer.Error()
}
