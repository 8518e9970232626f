package influx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A Resent tells what came of sending the quarantine again.
type Resent struct {
	Written int `json:"written"`
	Refused int `json:"refused"` // again
	Damaged int `json:"damaged"` // entries that cannot be read; their file is kept as .damaged
}

// Resend sends everything that is in the quarantine again. What InfluxDB takes is removed, what it refuses is put
// back with the new reason. At any other answer it stops, and what was not sent stays. A worker may run meanwhile;
// what it adds stays.
func (q *Quarantine) Resend(ctx context.Context, client *Client) (Resent, error) {
	var sum Resent
	files, err := q.files()
	if err != nil {
		return sum, fmt.Errorf("quarantine: %w", err)
	}
	if len(files) == 0 {
		return sum, nil
	}
	unlock, err := q.lockResend()
	if err != nil {
		return sum, err
	}
	defer unlock()
	for _, f := range files {
		if f.state == stateDamaged {
			continue
		}
		if err := q.resend(ctx, client, f, &sum); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// lockResend keeps two from sending the same lines.
func (q *Quarantine) lockResend() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(q.config.Dir, "resend.lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("quarantine: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("somebody else is sending it right now")
		}
		return nil, fmt.Errorf("quarantine: %w", err)
	}
	return func() { f.Close() }, nil
}

// resend sends one file. It is renamed first, so that the worker adds nothing to it, and removed at the end: in
// between, a crash repeats lines and loses none.
func (q *Quarantine) resend(ctx context.Context, client *Client, f quarantineFile, sum *Resent) error {
	f, err := q.claim(f)
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	var text []byte
	damaged, err := q.each(f, func(entry Quarantined) error {
		text = append(append(text, entry.Text()...), '\n')
		return nil
	})
	if err != nil {
		return err
	}
	var refused []Quarantined
	d := delivery{
		write:    client.Write,
		written:  func(n int) { sum.Written += n },
		trouble:  func(_ context.Context, answer *WriteError) error { return answer },
		maxBytes: MaxBytes,
		refused: func(line []byte, reason string) {
			refused = append(refused, quarantined(line, reason, time.Now()))
		},
	}
	if err := d.send(ctx, text); err != nil {
		return err
	}
	if err := q.Add(refused); err != nil {
		return err
	}
	sum.Refused += len(refused)
	sum.Damaged += damaged
	if damaged > 0 {
		return os.Rename(q.path(f), q.path(quarantineFile{f.number, stateDamaged, 0}))
	}
	return os.Remove(q.path(f))
}

func (q *Quarantine) claim(f quarantineFile) (quarantineFile, error) {
	if f.state == stateResend {
		return f, nil // of an attempt that did not end
	}
	unlock, err := q.lock()
	if err != nil {
		return f, err
	}
	defer unlock()
	from := q.path(f)
	f.state = stateResend
	return f, os.Rename(from, q.path(f))
}
