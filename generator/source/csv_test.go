package source

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestCSV(t *testing.T) {
	t.Parallel()
	std := Options{}
	expect(t, "color,name,value\nred,n,42\n", std, `2: {"color":"red","name":"n","value":42}`)
	expect(t, "value,x,color\n1,,red", std, red(2, "1")) // another order, no last line feed
	expect(t, "\ufeffcolor;value\r\nred;1\r\n", std, red(2, "1"))
	expect(t, "color\tvalue\nred\t1\n", std, red(2, "1"))
	expect(t, "color|value\nred|1\n", std, red(2, "1"))
	expect(t, `"color","a;b;c","value"`+"\nred,,1\n", std, red(2, "1"))
	expect(t, " color , value \n red , 1.5 \n", std, red(2, "1.5"))
	expect(t, "color,value\n\"re\"\"d\", \"2\"\n", std, `2: {"color":"re\"d","name":"","value":2}`)
	expect(t, "color,value\n \"red\" , \"1\" \t\r\n", std, red(2, "1"))
	expect(t, "color,value\n5\" pipe,2\n", std, `2: {"color":"5\" pipe","name":"","value":2}`)
	expect(t, "color,value\n\nred,1\n\nred,2\n", std, red(3, "1"), red(5, "2"))
	expect(t, "color,value,note\nred,1,\"two\nlines\"\nred,2,\n", std, red(2, "1"), red(4, "2"))
	expect(t, "color,\"a\nb\",value\nred,,1\n", std, red(3, "1"))
	expect(t, "color\tx\tvalue\nred\t\t1\n", std, red(2, "1")) // an empty cell between tabs
	expect(t, "color value\nred 1\n", Options{Separator: " "}, red(2, "1"))
	expect(t, "color,value\n", std)
	expect(t, "color,value\nvert émeraude,1e3\n🟥,-.5\n", std,
		`2: {"color":"vert émeraude","name":"","value":1000}`,
		`3: {"color":"🟥","name":"","value":-0.5}`)
	// A separator at the end.
	expect(t, "color,value\nred,1,\nred,2,,\n", std, red(2, "1"), red(3, "2"))
	// A hash is a comment unless its row has the cells of all others.
	expect(t, "color,value\n# a comment\n#ff0000,1\n# red,1,2,3\n",
		std, `3: {"color":"#ff0000","name":"","value":1}`)
	// Files appended.
	expect(t, "color,value\nred,1\ncolor,value\nred,2\n", std, red(2, "1"), red(4, "2"))
}

func TestCSVHeader(t *testing.T) {
	t.Parallel()
	std := Options{}
	expect(t, "Report of 2025; by: \"me\"\n\nsite;A\ncolor;value\nred;1\n", std, red(5, "1"))
	expect(t, "sep=;\ncolor;value\nred;1\n", std, red(3, "1"))
	expect(t, "#one\n# color,value\nred,1\n", std, red(3, "1"))
	expect(t, "#datatype,string,double\n,color,value\n,red,1\n", std, red(3, "1"))
	expect(t, "level\n1\n2\n", Options{Color: "=red", Value: "level"},
		`2: {"color":"red","name":"level","value":1}`, `3: {"color":"red","name":"level","value":2}`)
	expect(t, strings.Repeat("x\n", headerLines-1)+"color,value\nred,1\n", std, red(101, "1"))
	expect(t, strings.Repeat("x\n", headerLines)+"color,value\nred,1\n", std,
		`end: standard input: line 1: there is no column "color" for the color: set `+
			`GENERATOR_INPUT_COLOR to one of ["x"], `+
			`to =red for a constant, to @file for the file's name, or to 3 for the third column`+"\n"+
			`line 1: there is no column "value" for the value: set GENERATOR_INPUT_VALUE to one of ["x"]`)

	// Columns by number.
	numbers := Options{Color: "1", Value: "2"}
	expect(t, "red,1\nred,2\n", numbers, red(1, "1"), red(2, "2"))
	expect(t, "a title\nred;1,5\n", numbers, red(2, "1.5"))
	// A header after all.
	expect(t, "farbe,wert,ts\nred,1,2025-02-03\n", numbers, red(2, `1,"ts":1738540800000`))
	expect(t, "5\n6\n", Options{Color: "=red", Value: "1"}, red(1, "5"), red(2, "6"))
	expect(t, "red,x\nred,y\n", numbers,
		"end: standard input: line 2: no line up to here has a number in column 2, which is to be the "+
			"value (GENERATOR_INPUT_VALUE)")
	expect(t, "color,x,value\nred,5,1\n", Options{Color: "1"}, red(2, "1"))
	expect(t, "color,value\nred,1\n", Options{Color: "7"},
		"end: standard input: line 1: there is no column 7 for the color (GENERATOR_INPUT_COLOR): the "+
			"line has 2")
	expect(t, "color,value\nred,1\n", Options{Value: "=1"},
		"open: GENERATOR_INPUT_VALUE==1: the value is to be a column or field")
	expect(t, "color,value\nred,1\n", Options{Color: "@file"},
		"open: GENERATOR_INPUT_COLOR=@file: standard input has no name")
}

func TestCSVRejections(t *testing.T) {
	t.Parallel()
	expect(t, "color,value\nred,1\nred\nred,1,2\n,1\nred,\nred,abc\nred,NaN\nred,1e999\n"+
		"red\\,1\nred,0x10\nred,1_0\nred,7\n", Options{},
		red(2, "1"),
		`3 columns: has 1 cells instead of 2`,
		`4 columns: has 3 cells instead of 2`,
		`5 color_empty: color is empty`,
		`6 value_missing: there is no value`,
		`7 value_type: value "abc" is not a number`,
		`8 value_type: value "NaN" is not a number`,
		`9 value_range: value "1e999" does not fit a double`,
		`10 color_backslash: color "red\\" ends in a backslash`,
		`11 value_type: value "0x10" is not a number`,
		`12 value_type: value "1_0" is not a number`,
		red(13, "7"))
	expect(t, "color,value\n\"r\"ed,1\nred,2\n",
		Options{}, "2 quotes: has text after a closing quotation mark", red(3, "2"))
	expect(t, "color,value\n\xff,1\n"+strings.Repeat("x", 129)+",1\n\"a\tb\",1\nred,2\n", Options{},
		"2 invalid_utf8: color is not valid UTF-8",
		"3 color_too_long: color is 129 bytes long, more than 128",
		`4 color_control: color "a\tb" holds a control character`,
		red(5, "2"))
	expect(t, "color,value,ts\nred,1,1999-12-31\n", Options{},
		"2 past: ts 1999-12-31T00:00:00Z is before the year 2000")
	expect(t, "color,value\n\"red\nblue,1\n", Options{},
		"end: read standard input: line 2: a quotation mark is never closed: nothing after it was read")
	for _, end := range []string{"", "\",1\n"} { // closed or not, it is too long
		expect(t, "color,value\nred,1\n\""+strings.Repeat("red,1\n", MaxLine/5)+end, Options{},
			red(2, "1"),
			"end: read standard input: line 3: a quotation mark is never closed: nothing after it was read")
	}
	expect(t, "color,value\nred,1\n"+strings.Repeat("x", MaxLine)+"\nred,2\n", Options{},
		red(2, "1"), "3 too_long: is longer than 1048576 bytes", red(4, "2"))
}

func TestCSVColumns(t *testing.T) {
	t.Parallel()
	const diamonds = "cut,color,price\nIdeal,E,326\n"
	expect(t, diamonds, Options{Value: "price"}, `2: {"color":"E","name":"price","value":326}`)
	expect(t, diamonds, Options{Color: "cut", Name: "cut", Value: "price"},
		`2: {"color":"Ideal","name":"Ideal","value":326}`)
	expect(t, diamonds, Options{Color: "=all", Name: "=gems", Value: "price"},
		`2: {"color":"all","name":"gems","value":326}`)
	expect(t, diamonds, Options{Color: "colour", Value: "Price", Time: "time"},
		`end: standard input: line 1: there is no column "colour" for the color: set `+
			`GENERATOR_INPUT_COLOR to one of ["cut" "color" "price"], `+
			`to =red for a constant, to @file for the file's name, or to 3 for the third column`+"\n"+
			`line 1: there is no column "Price" for the value: set GENERATOR_INPUT_VALUE to one of ["cut" `+
			`"color" "price"]`+"\n"+
			`line 1: there is no column "time" for the time: set GENERATOR_INPUT_TIME to one of ["cut" `+
			`"color" "price"]`)
	expect(t, "color,value,value\nred,1,2\n", Options{},
		`end: standard input: line 1: two columns are called "value", which is to be the value `+
			`(GENERATOR_INPUT_VALUE)`)
	expect(t, "color,x,x,value\nred,1,2,3\n", Options{}, red(2, "3"))
}

// What encoding/csv reads, split reads alike.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{
		"a,b", `"a","b ""c"" d",` + "\n", "\"a\nb\",c", ` "a" , b`, `a"b,c`,
		"\"\"\n", ",\r\n", "x\r", `"a"b`,
	} {
		f.Add(text, uint8(0))
		f.Add(strings.ReplaceAll(text, ",", ";"), uint8(1))
	}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		separator := []rune(",;\t|§")[int(which)%5]
		more := func() (string, error) { return "", io.EOF }
		cells, err := split(nil, text, separator, more)
		open := err != nil
		if again, e := split([]string{"x"}, text, separator, more); !errors.Is(e, err) ||
			!slices.Equal(again[1:], cells) {
			t.Fatalf("%q: %q and %q", text, cells, again)
		}
		r := csv.NewReader(strings.NewReader(text))
		r.Comma, r.FieldsPerRecord = separator, -1
		all, err := r.ReadAll()
		// Spaces before quotation marks, and carriage returns, are read with more leniency here.
		if err != nil || len(all) > 1 || strings.ContainsAny(text, "\r") ||
			strings.HasSuffix(text, "\n\n") || strings.Contains(text, " \"") ||
			strings.Contains(text, "\t\"") {
			return
		}
		var want []string
		if len(all) == 1 {
			want = all[0]
		}
		if strings.Trim(text, " \t\n") == "" || strings.HasPrefix(strings.TrimLeft(text, " \t"), "\n") {
			return // blank lines
		}
		if open || !slices.Equal(cells, want) {
			t.Fatalf("%q: %q (open: %t), want %q", text, cells, open, want)
		}
	})
}
