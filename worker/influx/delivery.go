package influx

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxLines and MaxBytes bound one request.
	MaxLines = 5000
	MaxBytes = 4 << 20
	// leastBytes is what the bound does not fall below, whatever InfluxDB says; less is tried each
	// time anew.
	leastBytes = 64 << 10
)

// A delivery brings lines to InfluxDB by whatever number of requests it takes.
type delivery struct {
	// write sends one request. Its answer is nil if InfluxDB took the lines, otherwise of a class
	// that is final. An error ends the delivery.
	write func(ctx context.Context, lines []byte) (answer *WriteError, err error)
	// written is called with how many lines InfluxDB has.
	written func(n int)
	// rejected is given lines that InfluxDB will never take, and why.
	rejected func(lines [][]byte, class Class, reason string)
	// maxBytes is what a request may have. It shrinks when InfluxDB, or what stands before it, asks
	// for that.
	maxBytes int
}

// send delivers lines; those that are empty or comments do not count. After an error some lines are
// not delivered.
func (d *delivery) send(ctx context.Context, texts ...[]byte) error {
	var lines [][]byte
	size := 0
	flush := func() error {
		defer func() { lines, size = lines[:0], 0 }()
		return d.request(ctx, lines)
	}
	for _, text := range texts {
		for line := range bytes.Lines(text) {
			if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 || line[0] == '#' {
				continue
			}
			if len(lines) == MaxLines || size+len(line) >= d.maxBytes {
				if err := flush(); err != nil {
					return err
				}
			}
			lines, size = append(lines, line), size+len(line)+1
		}
	}
	return flush()
}

// request delivers lines that may go together.
func (d *delivery) request(ctx context.Context, lines [][]byte) error {
	if len(lines) == 0 {
		return nil
	}
	body := bytes.Join(lines, []byte("\n"))
	answer, err := d.write(ctx, body)
	switch {
	case err != nil:
		return err
	case answer == nil:
		d.written(len(lines))
		return nil
	default:
		return d.split(ctx, lines, len(body), answer)
	}
}

// split delivers lines of which some were rejected.
func (d *delivery) split(ctx context.Context, lines [][]byte, size int, answer *WriteError) error {
	if answer.Class == TooLarge && len(lines) > 1 {
		d.maxBytes = min(d.maxBytes, max(size/2, leastBytes))
	}
	switch n := answer.Dropped; {
	case answer.Class == TooOld && n <= len(lines):
		byAge := slices.SortedStableFunc(slices.Values(lines), func(a, b []byte) int {
			return cmp.Compare(timestamp(a), timestamp(b))
		})
		d.rejected(byAge[:n], TooOld, reasonOf(answer, byAge[0]))
		if n < len(lines) {
			d.written(len(lines) - n)
		}
		return nil
	case len(lines) == 1, answer.Class == Rejected && n == len(lines):
		d.rejected(lines, answer.Class, reasonOf(answer, lines[0]))
		return nil
	case answer.Class == Rejected:
		if reasons := quoted(answer.Message, lines); len(reasons) > 0 {
			var rest [][]byte
			for _, line := range lines {
				if reason, ok := reasons[string(line)]; ok {
					d.rejected([][]byte{line}, Rejected, reason)
				} else {
					rest = append(rest, line)
				}
			}
			return d.request(ctx, rest)
		}
	}
	half := len(lines) / 2
	if err := d.request(ctx, lines[:half]); err != nil {
		return err
	}
	return d.request(ctx, lines[half:])
}

// timestamp reads a line's time. One without is written as of now, and so is never too old.
func timestamp(line []byte) int64 {
	ns, err := strconv.ParseInt(string(line[bytes.LastIndexByte(line, ' ')+1:]), 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return ns
}

// quoted finds, in the answer to a request that could not be parsed, the lines that it quotes:
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

// reasonOf returns why line was rejected, without the line itself.
func reasonOf(answer *WriteError, line []byte) string {
	if reason, ok := quoted(answer.Message, [][]byte{line})[string(line)]; ok {
		return reason
	}
	if text := shorten(answer.Message); text != "" {
		return text
	}
	return answer.Error()
}
