package pull

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
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
	var out bytes.Buffer
	if err := write(&out, tree, "\n"); err != nil {
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
		if old := known[id]; old != nil && reflect.DeepEqual(old["type"], p["type"]) && old["pluginVersion"] != nil {
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

// write prints a value; lead is the line break with the indentation so far.
func write(out *bytes.Buffer, value any, lead string) error {
	switch value := value.(type) {
	case map[string]any:
		return writeList(out, '{', '}', lead, slices.SortedFunc(maps.Keys(value), byRank), func(key string) error {
			if err := writeScalar(out, key); err != nil {
				return err
			}
			out.WriteString(": ")
			return write(out, value[key], lead+"  ")
		})
	case []any:
		return writeList(out, '[', ']', lead, value, func(item any) error { return write(out, item, lead+"  ") })
	default:
		return writeScalar(out, value)
	}
}

func writeList[T any](out *bytes.Buffer, open, end byte, lead string, items []T, one func(T) error) error {
	out.WriteByte(open)
	for i, item := range items {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(lead + "  ")
		if err := one(item); err != nil {
			return err
		}
	}
	if len(items) > 0 {
		out.WriteString(lead)
	}
	return out.WriteByte(end)
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
