package influx

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func testLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

func entry(i int) Quarantined {
	return quarantined(fmt.Appendf(nil, "m,color=%d f=1", i), "it is bad", time.UnixMilli(1_760_000_000_123))
}

func entries(t testing.TB, q *Quarantine) (list []Quarantined, damaged int) {
	t.Helper()
	damaged, err := q.Each(func(e Quarantined) error {
		list = append(list, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, damaged
}

func fileNames(t testing.TB, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestQuarantineKeepsLines(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "quarantine")
	q := NewQuarantine(testLog(t), QuarantineConfig{Dir: dir, FileBytes: 250})
	if list, _ := entries(t, q); len(list) != 0 {
		t.Errorf("a quarantine without a folder has %v", list)
	}
	var want []Quarantined
	for i := range 9 {
		e := entry(i)
		if i == 4 {
			e = quarantined([]byte("m,color=\xff f=<&>"), `"quoted" & <marked>`, e.At)
		}
		want = append(want, e)
		if err := q.Add([]Quarantined{e}); err != nil {
			t.Fatal(err)
		}
	}
	got, damaged := entries(t, q)
	if diff := cmp.Diff(want, got); diff != "" || damaged != 0 {
		t.Errorf("%d damaged (-want +got):\n%s", damaged, diff)
	}
	first, err := os.ReadFile(filepath.Join(dir, "00000001.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if line, _, _ := strings.Cut(string(first), "\n"); line != `{"at":"2025-10-09T08:53:20.123Z","reason":"it is bad","line":"m,color=0 f=1"}` {
		t.Errorf("the format is %s", line)
	}
	// An interrupted write costs its own line only.
	last := fileNames(t, dir)
	path := filepath.Join(dir, last[len(last)-2]) // the last one is the lock
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"at":"2025-10-`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := q.Add([]Quarantined{entry(10), entry(11)}); err != nil {
		t.Fatal(err)
	}
	got, damaged = entries(t, q)
	if diff := cmp.Diff(append(want, entry(10), entry(11)), got); diff != "" || damaged != 1 {
		t.Errorf("%d damaged (-want +got):\n%s", damaged, diff)
	}
}

func TestQuarantineIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := NewQuarantine(testLog(t), QuarantineConfig{Dir: dir, MaxBytes: 4000})
	for i := range 200 {
		if err := q.Add([]Quarantined{entry(i)}); err != nil {
			t.Fatal(err)
		}
		if n, err := q.Bytes(); err != nil || n > 4000 {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	list, _ := entries(t, q)
	if len(list) < 25 || list[len(list)-1].Line != entry(199).Line {
		t.Errorf("%d entries are left, the last is %v", len(list), list[len(list)-1])
	}
}

func TestQuarantineThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	q := NewQuarantine(testLog(t), QuarantineConfig{Dir: file})
	if err := q.Add([]Quarantined{entry(1)}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

func TestResend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := NewQuarantine(testLog(t), QuarantineConfig{Dir: dir, FileBytes: 500})
	for i := range 30 {
		if err := q.Add([]Quarantined{entry(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "00000050.jsonl"), []byte("{}\nnot JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	down := true
	stored := map[string]bool{}
	client := connect(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down && len(stored) > 0 {
			w.WriteHeader(503)
			return
		}
		lines := strings.Split(body(t, r), "\n")
		for _, line := range lines {
			if strings.Contains(line, "color=3 ") {
				answerJSON(w, 400, "invalid", "unable to parse '"+line+"': still bad")
				return
			}
		}
		for _, line := range lines {
			stored[line] = true
		}
		w.WriteHeader(204)
	})
	sum, err := q.Resend(t.Context(), client)
	if err == nil || sum.Written == 0 || sum.Written >= 29 {
		t.Errorf("while InfluxDB is down: %+v, %v", sum, err)
	}
	down = false
	again, err := q.Resend(t.Context(), client)
	if err != nil || again.Refused > 1 || again.Damaged != 2 || len(stored) != 29 {
		t.Errorf("%+v, %v, %d stored", again, err, len(stored))
	}
	list, damaged := entries(t, q)
	if len(list) != 1 || damaged != 0 || list[0].Line != "m,color=3 f=1" || list[0].Reason != "unable to parse: still bad" {
		t.Errorf("left are %v, %d damaged", list, damaged)
	}
	if _, err := os.Stat(filepath.Join(dir, "00000050.damaged")); err != nil {
		t.Error(err)
	}
	unlock, err := q.lockResend()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Resend(t.Context(), client); err == nil || !strings.Contains(err.Error(), "right now") {
		t.Errorf("two at once: %v", err)
	}
	unlock()
}

// The worker adds while somebody sends again; nothing is lost.
func TestResendWhileTheWorkerAdds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	worker := NewQuarantine(testLog(t), QuarantineConfig{Dir: dir, FileBytes: 300})
	operator := NewQuarantine(testLog(t), QuarantineConfig{Dir: dir})
	var mu sync.Mutex
	stored := map[string]bool{}
	client := connect(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for line := range strings.SplitSeq(body(t, r), "\n") {
			stored[line] = true
		}
		w.WriteHeader(204)
	})
	var adding sync.WaitGroup
	adding.Go(func() {
		for i := range 200 {
			if err := worker.Add([]Quarantined{entry(i)}); err != nil {
				t.Error(err)
			}
		}
	})
	added := make(chan struct{})
	go func() { adding.Wait(); close(added) }()
	for last := false; ; {
		if _, err := operator.Resend(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		if last {
			break
		}
		select {
		case <-added:
			last = true
		default:
		}
	}
	if len(stored) != 200 {
		t.Errorf("%d of 200 lines were sent again", len(stored))
	}
	if list, _ := entries(t, worker); len(list) != 0 {
		t.Errorf("left are %v", list)
	}
}
