package source

import (
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	std := Options{}
	expect(t, `{"color":"red","name":"n","value":42}`+"\n\r\n  \n"+
		` {"value":1,"color":"blue","ts":1760000000000} `+"\r\n"+`{"color":"x","value":2}`, std,
		`1: {"color":"red","name":"n","value":42}`,
		`4: {"color":"blue","name":"","value":1,"ts":1760000000000}`,
		`5: {"color":"x","name":"","value":2}`)
	expect(t, "# a comment\n{\"color\":\"red\",\"value\":1}{\"color\":\"red\",\"value\":2}\n",
		std, red(2, "1"), red(2, "2"))
	expect(t, `[{"color":"red","value":1},{"color":"red","value":2}]`, std, red(1, "1"), red(1, "2"))
	expect(t, "\ufeff[\r\n{\"color\":\"red\",\r\n\"value\":1}\r\n,"+
		"{\"color\":\"red\",\"value\":2}\r\n]\r\n", std, red(2, "1"), red(4, "2"))
	expect(t, "[]", std)
	expect(t, "[{\"color\":\"red\",\"value\":1},\n", std,
		red(1, "1"), "end: read standard input: line 2: the array is not closed: the file is cut short")
	expect(t, "[1]\n{\"color\":\"red\",\"value\":1}\n[[2]]\n", Options{Format: JSON},
		"1 not_object: the message is not a JSON object", red(2,
			"1"), "3 not_object: the message is not a JSON object")
	expect(t, "", Options{Format: JSON})
	expect(t, `{"color":"red","value":1}`, Options{Color: "2"},
		"end: standard input: GENERATOR_INPUT_COLOR=2: JSON has no columns with numbers: give the "+
			"field's name")
}

// A wrong object costs itself alone.
func TestJSONRejections(t *testing.T) {
	t.Parallel()
	const good = `{"color":"red","value":7}`
	expect(t, `{"color":"red"}`+"\n{\n"+good+"\nx\n"+good+" 2\n\"team\"\n"+good+"}\n"+
		`{"color":"re`+"\n"+good, Options{},
		`1 value_missing: there is no field "value" for the value: set GENERATOR_INPUT_VALUE to one of `+
			`["color"]`,
		"2 not_json: the message is not JSON: unexpected end of JSON input",
		red(3, "7"),
		"4 not_json: the message is not JSON: invalid character 'x' looking for beginning of value",
		red(5, "7"),
		"5 not_object: the message is not a JSON object",
		"6 not_object: the message is not a JSON object",
		red(7, "7"),
		"7 not_json: the message is not JSON: invalid character '}' looking for beginning of value",
		"8 not_json: the message is not JSON: unexpected end of JSON input",
		red(9, "7"))
	expect(t, "{\n \"color\": \"re\nd\",\n \"value\": 7\n}\n"+good+"\n{\n \"color\": \"red\"\n",
		Options{},
		"1 not_json: the message is not JSON: unexpected end of JSON input",
		red(6, "7"),
		"7 not_json: the message is not JSON: unexpected end of JSON input")
	expect(t, `{"color":"red","value":[1]}
{"color":{},"value":1}
{"color":"red","value":true}
{"color":null,"value":1}
{"color":"red","value":null}
{"color":"red","color":"x","value":1}
{"color":"\ud800","value":1}
`+"{\"color\":\"\xff\",\"value\":1}\n", Options{},
		`1 value_type: value "[1]" is neither a string nor a number (field "value")`,
		`2 color_type: color "{}" is neither a string nor a number (field "color")`,
		`3 value_type: value "true" is neither a string nor a number (field "value")`,
		"4 color_empty: color is empty",
		"5 value_missing: there is no value",
		`6 duplicate_field: field "color" stands twice`,
		`7 invalid_utf8: color has half of a surrogate pair (field "color")`,
		"8 invalid_utf8: the object is not valid UTF-8")
}

func TestJSONFields(t *testing.T) {
	t.Parallel()
	expect(t, `{"c\u006flor":"r\u0065d","value":"1"}`, Options{}, red(1, "1"))
	expect(t, `{"color":17,"name":true,"value":1}`,
		Options{}, `1: {"color":"17","name":"true","value":1}`)
	expect(t, `{"a":{"b":{"c":"red"},"x":"}"},"v.w":3,"v":{"w":4}}`,
		Options{Color: "a.b.c", Value: "v.w"},
		`1: {"color":"red","name":"v.w","value":3}`)
	expect(t, `{"a":{"b.c":"red"},"value":3}`, Options{Color: "a.b.c"}, red(1, "3"))
	expect(t, `{"color":"red","price":3}`, Options{Value: "price"},
		`1: {"color":"red","name":"price","value":3}`)
	expect(t, `{"value":3}`, Options{Color: "=red"}, red(1, "3"))
	expect(t, `{"a":"red","value":3}`+"\n"+`{"team":"red","value":3}`, Options{Color: "team"},
		`1 color_missing: there is no field "team" for the color: set GENERATOR_INPUT_COLOR to one of `+
			`["a" "value"]`, red(2, "3"))
}

func TestJSONTooLong(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, length := range []int{100, 100_000, MaxLine, 3 * MaxLine, 1, MaxLine} {
		text.WriteString(`{"color":"red","value":1,"x":"` + strings.Repeat("x", length) + `"}` + "\n")
	}
	expect(t, strings.TrimSuffix(text.String(), "\n"), Options{Format: JSON},
		red(1, "1"), red(2, "1"),
		"3 too_long: is longer than 1048576 bytes",
		"4 too_long: is longer than 1048576 bytes",
		red(5, "1"),
		"6 too_long: is longer than 1048576 bytes")
}
