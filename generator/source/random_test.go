package source

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The golden file is a promise: the same seed makes the same messages in every version and on every
// machine.
func TestRandomGolden(t *testing.T) {
	t.Parallel()
	var got []byte
	add := func(random func() Record) {
		for range 20 {
			got = append(random().AppendJSON(got), '\n')
		}
	}
	add(Random(1, []string{"red", "blue", "green", "yellow"}, []string{"value_name"}, 1, 100))
	add(Random(42, []string{"red"}, []string{"a", "b", "c"}, -5, 5))
	const golden = "testdata/random.jsonl"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the messages of a seed have changed; now they are\n%s", got)
	}
}

func TestRandomCoversItsRange(t *testing.T) {
	t.Parallel()
	times := make(map[any]int)
	const n = 70_000
	random := Random(7, []string{"red", "blue"}, []string{"x", "y"}, -3, 3)
	for range n {
		r := random()
		times[r.Value]++
		times[r.Color]++
		times[r.Name]++
	}
	if len(times) != 7+2+2 {
		t.Errorf("there are others: %v", times)
	}
	for kind, count := range times {
		want := n / 7
		if _, isText := kind.(string); isText {
			want = n / 2
		}
		if count < want*9/10 || count > want*11/10 {
			t.Errorf("%v comes %d times in %d, want about %d", kind, count, n, want)
		}
	}
	if r := Random(7, []string{"red"}, []string{""}, 5, 5)(); r.Value != 5 || r.Name != "" {
		t.Errorf("a range of one number gives %+v", r)
	}
}
