package source

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// standard is how the generator reads an input when no variable is set.
func standard() Options {
	return Options{
		TimeUnit: UnitAuto,
		Color:    Field{Name: "color", Variable: "GENERATOR_INPUT_COLOR"},
		Name:     Field{Name: "name", Variable: "GENERATOR_INPUT_NAME", Optional: true},
		Value:    Field{Name: "value", Variable: "GENERATOR_INPUT_VALUE"},
		Time:     Field{Name: "ts", Variable: "GENERATOR_INPUT_TIME", Optional: true},
	}
}

// mapped reads other columns.
func mapped(color, name, value, time string) Options {
	o := standard()
	if color != "" {
		o.Color.Name = color
	}
	if name != "" {
		o.Name = Field{Name: name, Variable: o.Name.Variable}
	}
	if value != "" {
		o.Value.Name = value
	}
	if time != "" {
		o.Time = Field{Name: time, Variable: o.Time.Variable}
	}
	return o
}

// read is all of an input: its messages as "line: json", what is refused as "line reason: detail", and an error in
// the end.
func read(text string, o Options) []string {
	in, err := Open(Stdin, strings.NewReader(text), o)
	if err != nil {
		return []string{"open: " + err.Error()}
	}
	return drain(in)
}

func drain(in *Input) (all []string) {
	for {
		record, err := in.Next()
		refused, isRefused := errors.AsType[*Refused](err)
		switch {
		case err == nil:
			all = append(all, fmt.Sprintf("%d: %s", record.Line, record.AppendJSON(nil)))
		case isRefused:
			all = append(all, fmt.Sprintf("%d %s: %s", refused.Line, refused.Reason, refused.Detail))
		case errors.Is(err, io.EOF):
			return all
		default:
			return append(all, "end: "+err.Error())
		}
	}
}

func expect(t *testing.T, text string, o Options, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, read(text, o)); diff != "" {
		t.Errorf("%q: -want +got\n%s", text, diff)
	}
}

func TestOpenTellsTheFormat(t *testing.T) {
	t.Parallel()
	const csv, json = "color,value\nred,1\n", `{"color":"red","value":1}` + "\n"
	dir := t.TempDir()
	open := func(name, content string, o Options) (*Input, error) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return Open(path, nil, o)
	}
	ok := func(name, content, line string) {
		t.Helper()
		in, err := open(name, content, standard())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if in.Size != int64(len(content)) {
			t.Errorf("%s: size %d, want %d", name, in.Size, len(content))
		}
		if diff := cmp.Diff([]string{line}, drain(in)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
	const fromCSV, fromJSON = `2: {"color":"red","name":"","value":1}`, `1: {"color":"red","name":"","value":1}`
	ok("a.csv", csv, fromCSV)
	ok("a.TSV", strings.ReplaceAll(csv, ",", "\t"), fromCSV)
	ok("a.jsonl", json, fromJSON)
	ok("a.ndjson", json, fromJSON)
	ok("a.json", json, fromJSON)
	ok("a", json, fromJSON)
	ok("a.txt", csv, fromCSV)
	ok("b.txt", " "+json, fromJSON)
	ok("bom.csv", "\ufeff"+csv, fromCSV)
	ok("bom.jsonl", "\ufeff"+json, fromJSON)
	ok("a.csv.gz", compress(t, csv), fromCSV)
	ok("really-gzip.jsonl", compress(t, json), fromJSON)

	wrong := func(name, content, words string) {
		t.Helper()
		_, err := open(name, content, standard())
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", name, err, words)
		}
	}
	wrong("empty.csv", "", "is empty")
	wrong("bom-only.csv", "\ufeff", "is empty")
	wrong("utf16.csv", "\xff\xfec\x00", "UTF-16")
	wrong("table.xlsx", "PK\x03\x04", "save it as CSV")
	wrong("cut.gz", "\x1f\x8b\x08", "uncompress")

	if in, err := open("forced.csv", json, Options{
		Format: JSONLines, Color: Field{Name: "color"}, Value: Field{Name: "value"},
		Name: Field{Name: "name", Optional: true}, Time: Field{Name: "ts", Optional: true},
	}); err != nil || in.Format != JSONLines {
		t.Errorf("a given format is not taken: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "absent.csv"), nil, standard()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := Open(dir, nil, standard()); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("folder: %v", err)
	}
}

func compress(t testing.TB, text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDamagedGzipEndsWithAnError(t *testing.T) {
	t.Parallel()
	whole := compress(t, "color,value\n"+strings.Repeat("red,1\nblue,2\n", 50_000))
	got := read(whole[:len(whole)-12], standard())
	if last := got[len(got)-1]; !strings.HasPrefix(last, "end: read standard input: ") || len(got) < 10_000 {
		t.Errorf("%d lines, the last %s", len(got), last)
	}
}

// Offsets lead from the start of the input to its end, whatever stands in it.
func TestOffsets(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"\ufeffcolor,value\r\nred,1\r\nblue,x\r\n\r\n\"gre\r\nen\",3\r\nred,4",
		"\ufeff{\"color\":\"red\",\"value\":1}\r\n\n{}\n{\"color\":\"red\",\"value\":1}",
		compress(t, "color,value\nred,1\nblue,x\nred,2\n"),
	} {
		in, err := Open(Stdin, strings.NewReader(text), standard())
		if err != nil {
			t.Fatal(err)
		}
		var last int64
		for {
			record, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			offset := record.Offset
			if refused, ok := errors.AsType[*Refused](err); ok {
				offset = refused.Offset
			}
			if offset < last || offset > int64(len(text)) {
				t.Errorf("%q: offset %d after %d of %d", text, offset, last, len(text))
			}
			last = offset
		}
		if last != int64(len(text)) {
			t.Errorf("%q: the last offset is %d of %d", text, last, len(text))
		}
	}
}

func TestDiamonds(t *testing.T) {
	t.Parallel()
	in, err := Open("../testdata/diamonds-1000.csv", nil, mapped("", "cut", "price", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	all := drain(in)
	if len(all) != 1000 {
		t.Fatalf("%d records", len(all))
	}
	if want := `2: {"color":"E","name":"Ideal","value":326}`; all[0] != want {
		t.Errorf("first %s, want %s", all[0], want)
	}
}
