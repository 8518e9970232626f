package pull

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// width is how long a line may be that holds a whole object or list.
const width = 100

// first are the keys that a reader wants to see first, in this order. All others follow by the
// alphabet.
var first = []string{
	"id", "uid", "title", "name", "type", "description", "refId", "datasource",
	"gridPos", "query",
}

// text prints a value behind a column: on one line if that fits, else an item a line. lead is the
// line break with the indentation so far; without one, everything is on one line.
func text(value any, column int, lead string) string {
	var brackets string
	var items func(lead string) []string
	switch value := value.(type) {
	case map[string]any:
		brackets = "{}"
		items = func(lead string) (out []string) {
			for _, key := range slices.SortedFunc(maps.Keys(value), byRank) {
				begin := scalar(key) + ": "
				out = append(out, begin+text(value[key], len(lead)+len(begin), lead))
			}
			return out
		}
	case []any:
		brackets = "[]"
		items = func(lead string) (out []string) {
			for _, item := range value {
				out = append(out, text(item, len(lead), lead))
			}
			return out
		}
	default:
		return scalar(value)
	}
	line := brackets[:1] + strings.Join(items(""), ", ") + brackets[1:]
	if lead == "" || column+len(line) < width || len(line) == 2 {
		return line
	}
	inner := lead + "  "
	return brackets[:1] + inner + strings.Join(items(inner), ","+inner) + lead + brackets[1:]
}

// scalar leaves <, > and & as they are: queries are full of them.
func scalar(value any) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value) // it was decoded from JSON
	return strings.TrimSuffix(out.String(), "\n")
}

func byRank(a, b string) int {
	rank := func(key string) int {
		if i := slices.Index(first, key); i >= 0 {
			return i
		}
		return len(first)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}
