package checkpoint

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type example struct {
	At     int64
	Values []float64
	Names  map[string]int
}

var sample = example{1760000000000000000, []float64{0.1, -1e308, math.MaxFloat64}, map[string]int{"red": 1}}

func write(t *testing.T, dir string, v any) {
	t.Helper()
	content, err := Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, "state", content); err != nil {
		t.Fatal(err)
	}
}

func TestWriteRead(t *testing.T) {
	dir := t.TempDir()
	var got example
	if found, err := Read(dir, "state", &got); found || err != nil {
		t.Fatalf("an empty folder: %v, %v", found, err)
	}
	write(t, dir, example{At: 1})
	write(t, dir, sample)
	if found, err := Read(dir, "state", &got); !found || err != nil {
		t.Fatalf("%v, %v", found, err)
	}
	if diff := cmp.Diff(sample, got); diff != "" {
		t.Error(diff)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestDamage cuts the file at every byte and flips every byte: each is noticed.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, sample)
	path := filepath.Join(dir, "state")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, at int, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var got example
		if found, err := Read(dir, "state", &got); found || err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s at %d: found %v, error %v", what, at, found, err)
		}
	}
	for i := range good {
		check("cut", i, good[:i])
		flipped := append([]byte(nil), good...)
		flipped[i] ^= 0x10
		check("flipped", i, flipped)
	}
}

func TestFailedWriteKeepsTheOld(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, sample)
	if err := os.Mkdir(filepath.Join(dir, "state.new"), 0o700); err != nil { // so that the new file cannot be made
		t.Fatal(err)
	}
	content, _ := Encode(example{})
	if err := Write(dir, "state", content); err == nil {
		t.Fatal("no error")
	}
	var got example
	if found, err := Read(dir, "state", &got); !found || err != nil || !cmp.Equal(got, sample) {
		t.Errorf("found %v, error %v, %+v", found, err, got)
	}
}

func FuzzDecode(f *testing.F) {
	content, _ := Encode(sample)
	f.Add(content)
	f.Fuzz(func(_ *testing.T, content []byte) {
		var got example
		_ = decode(content, &got) // it must neither panic nor take memory without bounds
	})
}
