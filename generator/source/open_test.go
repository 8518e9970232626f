package source

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpen(t *testing.T) {
	t.Parallel()
	const table, object = "color,value\nred,1\n", `{"color":"red","value":1}` + "\n"
	ok := func(name, content string, o Options, line string) {
		t.Helper()
		in, err := Open(write(t, name, content), nil, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if in.Size != int64(len(content)) {
			t.Errorf("%s: size %d, want %d", name, in.Size, len(content))
		}
		if diff := cmp.Diff([]string{line}, drain(in.All(t.Context()))); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
	fromCSV, fromJSON := red(2, "1"), red(1, "1")
	ok("a.csv", table, Options{}, fromCSV)
	ok("a.TSV", strings.ReplaceAll(table, ",", "\t"), Options{}, fromCSV)
	ok("a.jsonl", object, Options{}, fromJSON)
	ok("a.json", object, Options{}, fromJSON)
	ok("a", object, Options{}, fromJSON)
	ok("a.txt", table, Options{}, fromCSV)
	ok("b.txt", " ["+object+"]", Options{}, fromJSON)
	ok("c.csv", object, Options{}, fromJSON)
	ok("d.csv", "[export]\n"+table, Options{}, red(3, "1"))
	ok("bom.csv", "\ufeff"+table, Options{}, fromCSV)
	ok("bom.jsonl", "\ufeff"+object, Options{}, fromJSON)
	ok("a.csv.gz", gzipped(t, table), Options{}, fromCSV)
	ok("a.csv.zst", zstandard(t, table), Options{}, fromCSV)
	ok("really-gzip.jsonl", gzipped(t, object), Options{}, fromJSON)
	ok("red.2025.csv.gz", gzipped(t, "x,value\n1,2\n"), Options{Color: "@file"},
		`2: {"color":"red.2025","name":"","value":2}`)

	wrong := func(name, content, words string) {
		t.Helper()
		_, err := Open(write(t, name, content), nil, Options{})
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", name, err, words)
		}
	}
	wrong("empty.csv", "", "is empty")
	wrong("bom-only.csv", "\ufeff", "is empty")
	wrong("units.csv", "color,value,ts\nred,1,1760000000\nred,1,1760000000000\n",
		"is not of one format")
	wrong("utf16.csv", "\xff\xfec\x00", "UTF-16")
	wrong("table.xlsx", "PK\x03\x04", "save it as CSV")
	wrong("packed.xlsx.gz", gzipped(t, "PK\x03\x04...."), "save it as CSV")
	wrong("table.parquet", "PAR1", "Parquet")
	wrong("a.csv.bz2", "BZh9", "bzip2")
	wrong("cut.gz", "\x1f\x8b\x08", "uncompress")
	wrong("cut.zst", zstandard(t, table)[:8], "EOF")
	if _, err := Open("testdata/absent.csv", nil, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := Open("testdata", nil, Options{}); err == nil ||
		!strings.Contains(err.Error(), "folder") {
		t.Errorf("folder: %v", err)
	}
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstandard(t testing.TB, text string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(text), nil))
}

func TestDamagedCompressionEndsWithAnError(t *testing.T) {
	t.Parallel()
	text := "color,value\n" + strings.Repeat("red,1\nblue,2\n", 50_000)
	for _, whole := range []string{gzipped(t, text), zstandard(t, text)} {
		got := read(whole[:len(whole)-6], Options{})
		if last := got[len(got)-1]; !strings.HasPrefix(last, "end: read standard input: ") {
			t.Errorf("%d lines, the last %s", len(got), last)
		}
	}
}

// Offsets lead from the start of the input to its end, whatever stands in it.
func TestOffsets(t *testing.T) {
	t.Parallel()
	table := "color,value\nred,1\nblue,x\nred,2\n"
	packed := gzipped(t, table)
	for text, first := range map[string]int{ // the offset of the first record
		"\ufeffcolor,value\r\nred,1\r\nblue,x\r\n\r\n\"gre\r\nen\",3\r\nred,4":           23,
		"\ufeff{\"color\":\"red\",\"value\":1}\r\n\n{}\n{\"color\":\"red\",\"value\":1}": 31,
		packed:              len(packed),
		zstandard(t, table): len(zstandard(t, table)),
	} {
		in, err := Open(Stdin, strings.NewReader(text), Options{})
		if err != nil {
			t.Fatal(err)
		}
		var offsets []int64
		for r := range in.All(t.Context()) {
			offsets = append(offsets, r.Offset)
		}
		if offsets[0] != int64(first) || offsets[len(offsets)-1] != int64(len(text)) ||
			!slices.IsSorted(offsets) {
			t.Errorf("%q: offsets %v of %d", text, offsets, len(text))
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	says := func(text string, o Options, want string) {
		t.Helper()
		in, err := Open(write(t, "data", text), nil, o)
		if err != nil {
			t.Errorf("%.60q: %v", text, err)
			return
		}
		defer in.Close()
		drain(in.All(t.Context()))
		got, err := in.Plan()
		if err != nil || !strings.HasSuffix(got, "data is read as "+want) {
			t.Errorf("%.60q: %q, %v, want %q", text, got, err, want)
		}
	}
	says("color,value\nred,1\n", Options{}, "CSV; it has no times")
	says("x\ncolor;value;ts\nred;1,5;1709251200\nred;1;1711843200\n", Options{},
		`CSV with ';', header in line 2, decimals after a comma; times are seconds, at first `+
			`2024-03-01 to 2024-03-31`)
	says("1\t2025-02-07 10:00\n", Options{Color: "=red", Value: "1", Time: "2", Zone: "Europe/Berlin"},
		`CSV with tabs without a header; times are such as 2025-02-07 10:00 in Europe/Berlin, at first `+
			`2025-02-07T09:00:00Z to 2025-02-07T09:00:00Z`)
	says("color,value,ts\nred,1,2025-02-07 10:00\nred,1,2025-02-07T10:00Z\n",
		Options{Zone: "Europe/Berlin"}, "CSV; times are such as 2025-02-07 10:00 in Europe/Berlin, "+
			"at first 2025-02-07T09:00:00Z to 2025-02-07T10:00:00Z")
	// What the sample leaves open, a later row tells.
	says("color,value,ts\n"+strings.Repeat("red,1,01/02/2025\n", SampleRows)+"red,1,13/02/2025\n",
		Options{}, "CSV; times are such as 01/02/2025, the day first in UTC")
	says("color,value,ts\nred,1,202502041015\n", Options{},
		"CSV; times are minutes (YYYYMMDDhhmm) in UTC, at first "+
			"2025-02-04T10:15:00Z to 2025-02-04T10:15:00Z")
	says(`{"color":"red","value":1,"ts":1999}`, Options{History: true},
		"JSON; times are years in UTC, at first 1999-01-01T00:00:00Z to 1999-01-01T00:00:00Z")
}
