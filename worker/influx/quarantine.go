package influx

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// The defaults of [QuarantineConfig].
const (
	DefaultQuarantineBytes = 64 << 20
	DefaultQuarantineFile  = 1 << 20
)

// QuarantineConfig says where and how large a quarantine is.
type QuarantineConfig struct {
	Dir string
	// MaxBytes is what all files together may take, 0 means DefaultQuarantineBytes; beyond, the oldest go.
	MaxBytes int64
	// FileBytes is the size at which a new file begins; 0 means DefaultQuarantineFile.
	FileBytes int64
}

// A Quarantine keeps lines that InfluxDB refused, for a human to look at and to send again.
//
// It is a folder of files of JSON lines, the oldest first in each and in the order of their names:
//
//	00000001.jsonl    {"at":"2026-01-02T03:04:05.678Z","reason":"unable to parse: invalid number","line":"color_metrics,color=red mean=x 1"}
//	00000002.resend   the same, while it is being sent again or when that was interrupted
//	00000003.damaged  a file that was sent again and had lines that could not be read
//	lock              held by flock(2) during each change
//
// A line that is not UTF-8 is kept as "base64" instead. Processes may share the folder: the worker adds lines while
// somebody sends others again. Nothing is kept in memory, and the folder is made with the first line.
type Quarantine struct {
	log    *slog.Logger
	config QuarantineConfig
}

// A Quarantined line and why it is there.
type Quarantined struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Line   string    `json:"line,omitempty"`
	Base64 []byte    `json:"base64,omitempty"`
}

// quarantined makes an entry for a line.
func quarantined(line []byte, reason string, at time.Time) Quarantined {
	q := Quarantined{At: at.UTC(), Reason: reason, Line: string(line)}
	if !utf8.Valid(line) {
		q.Line, q.Base64 = "", bytes.Clone(line)
	}
	return q
}

// Text is the line.
func (q Quarantined) Text() []byte {
	if q.Line == "" {
		return q.Base64
	}
	return []byte(q.Line)
}

// NewQuarantine makes a Quarantine.
func NewQuarantine(log *slog.Logger, config QuarantineConfig) *Quarantine {
	config.MaxBytes = cmp.Or(config.MaxBytes, DefaultQuarantineBytes)
	config.FileBytes = cmp.Or(config.FileBytes, min(DefaultQuarantineFile, config.MaxBytes/4))
	return &Quarantine{log, config}
}

const (
	stateKept    = ".jsonl"
	stateResend  = ".resend"
	stateDamaged = ".damaged"
)

// A quarantineFile is one file of the folder.
type quarantineFile struct {
	number int
	state  string
	size   int64
}

func (f quarantineFile) name() string { return fmt.Sprintf("%08d%s", f.number, f.state) }

func (q *Quarantine) path(f quarantineFile) string { return filepath.Join(q.config.Dir, f.name()) }

// files lists the files, the oldest first.
func (q *Quarantine) files() ([]quarantineFile, error) {
	entries, err := os.ReadDir(q.config.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []quarantineFile
	for _, entry := range entries {
		state := filepath.Ext(entry.Name())
		digits := strings.TrimSuffix(entry.Name(), state)
		number, err := strconv.Atoi(digits)
		ours := state == stateKept || state == stateResend || state == stateDamaged
		if err != nil || len(digits) != 8 || !ours || !entry.Type().IsRegular() {
			continue
		}
		if info, err := entry.Info(); err == nil { // else it is gone
			files = append(files, quarantineFile{number, state, info.Size()})
		}
	}
	slices.SortFunc(files, func(a, b quarantineFile) int { return cmp.Compare(a.number, b.number) })
	return files, nil
}

// lock waits for the folder's lock and returns the function that ends it.
func (q *Quarantine) lock() (unlock func(), err error) {
	if err := os.MkdirAll(q.config.Dir, 0o750); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(q.config.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// Add keeps entries. They are durable when it returns nil; after an error some may be kept.
func (q *Quarantine) Add(entries []Quarantined) error {
	if len(entries) == 0 {
		return nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			return fmt.Errorf("quarantine: %w", err)
		}
	}
	unlock, err := q.lock()
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	defer unlock()
	if err := q.append(text.Bytes()); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	return nil
}

func (q *Quarantine) append(text []byte) error {
	files, err := q.files()
	if err != nil {
		return err
	}
	target := quarantineFile{number: 1, state: stateKept}
	if len(files) > 0 {
		if last := files[len(files)-1]; last.state == stateKept && last.size < q.config.FileBytes {
			target = last
		} else {
			target.number = last.number + 1
		}
	}
	file, err := os.OpenFile(q.path(target), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	defer file.Close()
	if target.size > 0 { // an interrupted write must not spoil the line after it
		var last [1]byte
		if _, err := file.ReadAt(last[:], target.size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			text = append([]byte("\n"), text...)
		}
	}
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if target.size == 0 {
		if err := syncDir(q.config.Dir); err != nil {
			return err
		}
	}
	total := int64(len(text))
	for _, f := range files {
		total += f.size
	}
	for _, f := range files {
		if total <= q.config.MaxBytes || f.number == target.number {
			break
		}
		if err := os.Remove(q.path(f)); err != nil {
			return err
		}
		total -= f.size
		q.log.Error("the quarantine is full and drops its oldest file", "file", q.path(f), "bytes", f.size)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Each calls visit for each entry, the oldest first, and counts what is not one. It may be used while a worker runs.
func (q *Quarantine) Each(visit func(Quarantined) error) (damaged int, err error) {
	files, err := q.files()
	if err != nil {
		return 0, fmt.Errorf("quarantine: %w", err)
	}
	for _, f := range files {
		if f.state == stateDamaged {
			continue
		}
		bad, err := q.each(f, visit)
		damaged += bad
		if err != nil {
			return damaged, err
		}
	}
	return damaged, nil
}

func (q *Quarantine) each(f quarantineFile, visit func(Quarantined) error) (damaged int, err error) {
	file, err := os.Open(q.path(f))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // sent meanwhile
	}
	if err != nil {
		return 0, fmt.Errorf("quarantine: %w", err)
	}
	defer file.Close()
	r := bufio.NewReader(file)
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return damaged, nil
		} else if err != nil && err != io.EOF {
			return damaged, fmt.Errorf("quarantine: %w", err)
		}
		var entry Quarantined
		switch err := json.Unmarshal(line, &entry); {
		case len(bytes.TrimSpace(line)) == 0:
		case err != nil || len(entry.Text()) == 0:
			damaged++
		default:
			if err := visit(entry); err != nil {
				return damaged, err
			}
		}
	}
}

// Bytes is the size of all files.
func (q *Quarantine) Bytes() (int64, error) {
	files, err := q.files()
	var n int64
	for _, f := range files {
		n += f.size
	}
	return n, err
}
