package pull

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// first are the keys that a reader wants to see first, in this order. All
// others follow by the alphabet.
var first = []string{"id", "uid", "title", "name", "type", "description", "refId", "datasource", "gridPos", "query"}

// Canonical returns a dashboard in the form of the files: indented by two
// spaces, keys in a fixed order, without what differs from one Grafana to the
// next. A dashboard that looks the same gives the same bytes.
//
// What Grafana fills in when it saves and a person did not choose, is taken
// from old, the file's present content, which may be nil.
func Canonical(data, old []byte) ([]byte, error) {
	tree, err := decode(data)
	if err != nil {
		return nil, err
	}
	before := map[string]any{}
	if old != nil {
		if before, err = decode(old); err != nil {
			return nil, err
		}
	}
	for _, key := range []string{"id", "version", "revision", "iteration", "style", "__inputs", "__requires", "__elements"} {
		delete(tree, key)
	}
	settleVariables(tree, before)
	settlePanels(tree, before)
	closeGaps(tree)
	keepEmpty(tree, before)
	var out bytes.Buffer
	if err := write(&out, tree, width, "\n"); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func decode(data []byte) (map[string]any, error) {
	var tree map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err := dec.Decode(&tree)
	return tree, err
}

// settleVariables forgets which value was chosen when someone saved, and the
// list that a query found.
func settleVariables(tree, before map[string]any) {
	known := map[string]map[string]any{}
	for v := range objects(before, "templating", "list") {
		if name, ok := v["name"].(string); ok {
			known[name] = v
		}
	}
	for v := range objects(tree, "templating", "list") {
		delete(v, "error")
		if v["type"] != "query" {
			continue
		}
		v["options"] = []any{}
		name, _ := v["name"].(string)
		if old, ok := known[name]; ok {
			v["current"] = old["current"]
		} else {
			v["current"] = map[string]any{}
		}
	}
}

// settlePanels keeps each panel's note of the version that saved it last.
func settlePanels(tree, before map[string]any) {
	known := map[json.Number]map[string]any{}
	panels := func(in map[string]any, visit func(map[string]any)) {
		for p := range objects(in, "panels") {
			visit(p)
			for inner := range objects(p, "panels") {
				visit(inner)
			}
		}
	}
	panels(before, func(p map[string]any) {
		if id, ok := p["id"].(json.Number); ok {
			known[id] = p
		}
	})
	panels(tree, func(p map[string]any) {
		id, _ := p["id"].(json.Number)
		if old := known[id]; old != nil && reflect.DeepEqual(old["type"], p["type"]) &&
			old["pluginVersion"] != nil {
			p["pluginVersion"] = old["pluginVersion"]
		}
		if p["gridPos"] == nil && p["type"] != nil { // Grafana leaves out what is its default
			p["gridPos"] = map[string]any{"x": 0, "y": 0, "w": 6, "h": 3}
		}
		for _, key := range []string{"scopedVars", "repeatPanelId", "repeatedByRow", "repeatIteration"} {
			delete(p, key)
		}
	})
}

// closeGaps moves up what stands below a repeated panel: it is saved as far down as the panel's
// copies reached, which depends on how many colours there were.
func closeGaps(tree map[string]any) {
	number := func(p map[string]any, key string) int {
		pos, _ := p["gridPos"].(map[string]any)
		n, _ := pos[key].(json.Number)
		i, _ := n.Int64()
		return int(i)
	}
	for repeated := range objects(tree, "panels") {
		if name, _ := repeated["repeat"].(string); name == "" || repeated["type"] == "row" {
			continue
		}
		bottom, next := number(repeated, "y")+number(repeated, "h"), -1
		for p := range objects(tree, "panels") {
			if y := number(p, "y"); y >= bottom && (next < 0 || y < next) {
				next = y
			}
		}
		for p := range objects(tree, "panels") {
			if y := number(p, "y"); y >= bottom && next > bottom {
				p["gridPos"].(map[string]any)["y"] = json.Number(strconv.Itoa(y - next + bottom))
			}
		}
	}
}

// keepEmpty undoes what Grafana adds or leaves out when it saves, where it means nothing: keys
// whose value is null, false, empty, zero, or an object of such. Items of lists are compared if
// they have the same id, name or refId, or stand at the same place.
func keepEmpty(fresh, old any) {
	switch fresh := fresh.(type) {
	case map[string]any:
		old, ok := old.(map[string]any)
		if !ok {
			return
		}
		for key, value := range fresh {
			before, ok := old[key]
			switch {
			case !ok && empty(value):
				delete(fresh, key)
			case ok && (empty(value) && empty(before) || sameNumber(value, before)):
				fresh[key] = before
			case ok:
				keepEmpty(value, before)
			}
		}
		for key, before := range old {
			if _, ok := fresh[key]; !ok && empty(before) {
				fresh[key] = before
			}
		}
	case []any:
		old, _ := old.([]any)
		for i, item := range fresh {
			if before := counterpart(item, i, old); before != nil {
				keepEmpty(item, before)
			}
		}
	}
}

// sameNumber reports whether two numbers differ in how they are written only.
func sameNumber(a, b any) bool {
	x, isX := a.(json.Number)
	y, isY := b.(json.Number)
	if !isX || !isY {
		return false
	}
	f, errX := x.Float64()
	g, errY := y.Float64()
	return f == g && errX == nil && errY == nil
}

func empty(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, inner := range value {
			if !empty(inner) {
				return false
			}
		}
		return true
	case []any:
		return len(value) == 0
	case json.Number:
		return value == "0"
	default:
		return value == nil || value == false || value == ""
	}
}

// counterpart finds in old what an item was.
func counterpart(item any, i int, old []any) any {
	if object, ok := item.(map[string]any); ok {
		for _, key := range []string{"id", "name", "refId"} {
			if object[key] == nil {
				continue
			}
			at := slices.IndexFunc(old, func(o any) bool {
				before, _ := o.(map[string]any)
				return reflect.DeepEqual(before[key], object[key])
			})
			if at < 0 {
				return nil
			}
			return old[at]
		}
	}
	if i < len(old) {
		return old[i]
	}
	return nil
}

// objects yields the objects of the list that stands at a path.
func objects(tree map[string]any, path ...string) func(func(map[string]any) bool) {
	return func(yield func(map[string]any) bool) {
		for _, key := range path[:len(path)-1] {
			tree, _ = tree[key].(map[string]any)
		}
		list, _ := tree[path[len(path)-1]].([]any)
		for _, item := range list {
			if o, ok := item.(map[string]any); ok && !yield(o) {
				return
			}
		}
	}
}

// width is how long a line may be that holds a whole object or list.
const width = 100

// write prints a value: on one line if that fits, else an item a line. Column is where it begins,
// lead the line break with the indentation so far.
func write(out *bytes.Buffer, value any, column int, lead string) error {
	var line bytes.Buffer
	if err := writeLine(&line, value); err != nil {
		return err
	}
	object, isObject := value.(map[string]any)
	list, isList := value.([]any)
	if column+line.Len() < width || !isObject && !isList {
		out.Write(line.Bytes())
		return nil
	}
	lead += "  "
	if isList {
		return items(out, "[", "]", lead, list,
			func(item any) error { return write(out, item, len(lead), lead) })
	}
	return items(out, "{", "}", lead, slices.SortedFunc(maps.Keys(object), byRank),
		func(key string) error {
			start := out.Len()
			if err := writeLine(out, key); err != nil {
				return err
			}
			out.WriteString(": ")
			return write(out, object[key], len(lead)+out.Len()-start, lead)
		})
}

// writeLine prints a value on one line.
func writeLine(out *bytes.Buffer, value any) error {
	switch value := value.(type) {
	case map[string]any:
		return items(out, "{", "}", "", slices.SortedFunc(maps.Keys(value), byRank),
			func(key string) error {
				if err := writeLine(out, key); err != nil {
					return err
				}
				out.WriteString(": ")
				return writeLine(out, value[key])
			})
	case []any:
		return items(out, "[", "]", "", value, func(item any) error { return writeLine(out, item) })
	default:
		return writeScalar(out, value)
	}
}

// items prints a list with a comma between; lead is what stands before each item, if not on one
// line.
func items[T any](out *bytes.Buffer, begin, end, lead string, list []T, one func(T) error) error {
	out.WriteString(begin)
	for i, item := range list {
		switch {
		case i > 0 && lead == "":
			out.WriteString(", ")
		case i > 0:
			out.WriteString(",")
		}
		out.WriteString(lead)
		if err := one(item); err != nil {
			return err
		}
	}
	if len(list) > 0 && lead != "" {
		out.WriteString(lead[:len(lead)-2])
	}
	out.WriteString(end)
	return nil
}

// writeScalar leaves <, > and & as they are: queries are full of them.
func writeScalar(out *bytes.Buffer, value any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	out.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	return nil
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
