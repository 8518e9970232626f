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
	add := func(r *Random, n int) {
		for range n {
			record, err := r.Next(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			got = append(record.AppendJSON(got), '\n')
		}
	}
	add(NewRandom(1, []string{"red", "blue", "green", "yellow"}, []string{"value_name"}, 1, 100), 20)
	add(NewRandom(42, []string{"red"}, []string{"a", "b", "c"}, -5, 5), 20)
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
	r := NewRandom(7, []string{"red", "blue"}, []string{"x", "y"}, -3, 3)
	const n = 70_000
	for range n {
		record, _ := r.Next(t.Context(), false)
		times[record.Value]++
		times[record.Color]++
		times[record.Name]++
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
	one := NewRandom(7, []string{"red"}, nil, 5, 5)
	if record, _ := one.Next(t.Context(), false); record.Value != 5 || record.Name != "" {
		t.Errorf("a range of one number gives %+v", record)
	}
}
