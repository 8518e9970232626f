package source

import (
	"fmt"
	"strings"
	"testing"
)

func TestCSV(t *testing.T) {
	t.Parallel()
	red := func(line int, value string) string {
		return fmt.Sprintf(`%d: {"color":"red","name":"","value":%s}`, line, value)
	}
	std := standard()
	expect(t, "color,name,value\nred,n,42\n", std, `2: {"color":"red","name":"n","value":42}`)
	expect(t, "value,x,color\n1,,red", std, red(2, "1")) // another order, no last line feed
	expect(t, "color;value\r\nred;1\r\n", std, red(2, "1"))
	expect(t, "color\tvalue\nred\t1\n", std, red(2, "1"))
	expect(t, "color|value\nred|1\n", std, red(2, "1"))
	expect(t, `"color","a;b;c","value"`+"\nred,,1\n", std, red(2, "1")) // separators in quotes do not count
	expect(t, " color , value \n red , 1.5 \n", std, red(2, "1.5"))
	expect(t, "color,value\n\"re\"\"d\", \"2\"\n", std, `2: {"color":"re\"d","name":"","value":2}`)
	expect(t, "color,value\n\nred,1\n\nred,2\n", std, red(3, "1"), red(5, "2"))
	expect(t, "color,value,note\nred,1,\"two\nlines\"\nred,2,\n", std, red(2, "1"), red(4, "2"))
	expect(t, "color\tx\tvalue\nred\t\t1\n", std, red(2, "1")) // an empty cell between tabs
	expect(t, "color,value\n", std)
	expect(t, "color,value\nvert émeraude,1e3\n🟥,-.5\n", std,
		`2: {"color":"vert émeraude","name":"","value":1000}`, `3: {"color":"🟥","name":"","value":-0.5}`)

	comma := std
	comma.Separator = ','
	expect(t, "color,value;\nred,1\n", comma, "open: standard input: there is no column \"value\" for the value: "+
		`set GENERATOR_INPUT_VALUE to one of ["color" "value;"]`)
}

func TestCSVRefusals(t *testing.T) {
	t.Parallel()
	expect(t, "color,value\nred,1\nred\nred,1,2\n,1\nred,\nred,abc\nred,NaN\nred,1e999\nred,\"1,5\"\nred\\,1\nred,0x10\nred,1_0\nred,7\n",
		standard(),
		`2: {"color":"red","name":"","value":1}`,
		`3 columns: has 1 cells, but the header has 2`,
		`4 columns: has 3 cells, but the header has 2`,
		`5 color_empty: color is empty`,
		`6 value_missing: there is no value`,
		`7 value_type: value "abc" is not a number`,
		`8 value_type: value "NaN" is not a number`,
		`9 value_range: value "1e999" does not fit a double`,
		`10 value_type: value "1,5" is not a number (it must have a decimal point, and nothing between thousands)`,
		`11 color_backslash: color "red\\" ends in a backslash`,
		`12 value_type: value "0x10" is not a number`,
		`13 value_type: value "1_0" is not a number`,
		`14: {"color":"red","name":"","value":7}`)
	expect(t, "color,value\nr\"ed,1\nred,2\n", standard(),
		"2 quotes: has a quotation mark out of place (line 2, byte 2)", `3: {"color":"red","name":"","value":2}`)
	expect(t, "color,value\n\xff,1\n"+strings.Repeat("x", 129)+",1\n\"a\tb\",1\nred,2\n", standard(),
		"2 invalid_utf8: color is not valid UTF-8",
		"3 color_too_long: color is 129 bytes long, more than 128",
		`4 color_control: color "a\tb" holds a control character`,
		`5: {"color":"red","name":"","value":2}`)
	expect(t, "color,value\n\"red\nblue,1\n", standard(),
		"2 quotes: has a quotation mark out of place (line 3, byte 8)",
		"end: read standard input: a quotation mark in line 2 is never closed: nothing behind it was read")
	expect(t, "color,value\nred,1\n\""+strings.Repeat("red,1\n", MaxLine), standard(),
		`2: {"color":"red","name":"","value":1}`,
		"end: read standard input: what begins after line 2 is longer than 1048576 bytes: is a quotation mark not closed?")
}

func TestCSVColumns(t *testing.T) {
	t.Parallel()
	diamonds := "cut,color,price\nIdeal,E,326\n"
	expect(t, diamonds, mapped("", "", "price", ""), `2: {"color":"E","name":"price","value":326}`)
	expect(t, diamonds, mapped("cut", "cut", "price", ""), `2: {"color":"Ideal","name":"Ideal","value":326}`)
	expect(t, diamonds, mapped("colour", "", "Price", "time"),
		`open: standard input: there is no column "colour" for the color: set GENERATOR_INPUT_COLOR to one of ["cut" "color" "price"]`+"\n"+
			`there is no column "Price" for the value: set GENERATOR_INPUT_VALUE to one of ["cut" "color" "price"]`+"\n"+
			`there is no column "time" for the time: set GENERATOR_INPUT_TIME to one of ["cut" "color" "price"]`)
	expect(t, "color,value,value\nred,1,2\n", standard(),
		`open: standard input: two columns are called "value", which is to be the value (GENERATOR_INPUT_VALUE)`)
	expect(t, "color,x,x,value\nred,1,2,3\n", standard(), `2: {"color":"red","name":"","value":3}`)
}

func TestCSVTimes(t *testing.T) {
	t.Parallel()
	expect(t, "color,value,ts\nred,1,1760000000\nred,1,2025-10-09 08:53:20\nred,1,\nred,1,soon\n", standard(),
		`2: {"color":"red","name":"","value":1,"ts":1760000000000}`,
		`3: {"color":"red","name":"","value":1,"ts":1760000000000}`,
		`4: {"color":"red","name":"","value":1}`,
		`5 ts_invalid: ts "soon" is neither a number nor a time such as 2006-01-02T15:04:05Z`)
	seconds := mapped("", "", "", "when")
	seconds.TimeUnit = UnitMS
	expect(t, "color,value,when\nred,1,5000\n", seconds, `2: {"color":"red","name":"","value":1,"ts":5000}`)
}

func BenchmarkCSV(b *testing.B) {
	const lines = 10_000
	text := "carat,cut,color,price\n" + strings.Repeat("0.23,\"Ideal\",\"E\",326\n", lines)
	for b.Loop() {
		in, err := Open(Stdin, strings.NewReader(text), mapped("", "cut", "price", ""))
		if err != nil {
			b.Fatal(err)
		}
		for range lines {
			if _, err := in.Next(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/record")
}
