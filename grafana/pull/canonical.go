package pull

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"

	"colorstream/grafana/lint"
)

// Canonical returns a dashboard in the form of the files: indented by two spaces, keys in a fixed
// order, without what differs from one Grafana to the next. A dashboard that looks the same gives
// the same bytes.
//
// What Grafana fills in when it saves and a person did not choose, is taken from old, the file's
// present content, which may be nil.
func Canonical(data, old []byte) ([]byte, error) {
	if _, err := lint.Parse(data); err != nil {
		return nil, err
	}
	tree, before := decode(data), decode(old)
	for _, key := range []string{
		"id", "version", "revision", "iteration", "style", "__inputs", "__requires", "__elements",
	} {
		delete(tree, key)
	}
	closeGaps(tree)
	settle(tree, before)
	return []byte(text(tree, width, "\n") + "\n"), nil
}

// decode reads valid JSON, with numbers as they are written.
func decode(text []byte) (tree map[string]any) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	_ = dec.Decode(&tree)
	return tree
}

// closeGaps moves up what stands below a repeated panel: it is saved as far down as the panel's
// copies reached, which depends on how many colours there were. A panel without a place has the one
// that Grafana leaves out.
func closeGaps(tree map[string]any) {
	list, _ := tree["panels"].([]any)
	places, repeated := []map[string]any{}, []map[string]any{}
	for _, item := range list {
		panel, _ := item.(map[string]any)
		if panel["gridPos"] == nil && panel["type"] != nil {
			panel["gridPos"] = map[string]any{
				"x": zero, "y": zero, "w": json.Number("6"), "h": json.Number("3"),
			}
		}
		place, ok := panel["gridPos"].(map[string]any)
		if !ok {
			continue
		}
		places = append(places, place)
		if name, _ := panel["repeat"].(string); name != "" && panel["type"] != "row" {
			repeated = append(repeated, place)
		}
	}
	for _, place := range repeated {
		bottom, next := number(place["y"])+number(place["h"]), math.Inf(1)
		for _, p := range places {
			if y := number(p["y"]); y >= bottom {
				next = min(next, y)
			}
		}
		for _, p := range places {
			if y := number(p["y"]); y >= bottom && next > bottom {
				p["y"] = json.Number(fmt.Sprint(int64(y - next + bottom)))
			}
		}
	}
}

const zero = json.Number("0")

// sameNumber reports whether two numbers differ in how they are written only.
func sameNumber(a, b any) bool {
	_, isA := a.(json.Number)
	_, isB := b.(json.Number)
	return isA && isB && number(a) == number(b)
}

func number(value any) float64 {
	n, _ := value.(json.Number)
	f, _ := n.Float64()
	return f
}

// settle takes from old what no person chose: which version saved a panel last, what a query's
// variable found and had chosen, and what Grafana adds or leaves out where it means nothing, keys
// whose value is null, false, empty, zero, or an object of such. Items of lists are compared if
// they have the same id, name or refId, or stand at the same place.
func settle(fresh, old any) {
	switch fresh := fresh.(type) {
	case map[string]any:
		before, known := old.(map[string]any)
		found := []string{}
		if fresh["type"] == "query" {
			found = []string{"current", "options"}
		} else if before["pluginVersion"] != nil && reflect.DeepEqual(before["type"], fresh["type"]) {
			found = []string{"pluginVersion"}
		}
		for _, key := range found {
			if delete(fresh, key); before[key] != nil {
				fresh[key] = before[key]
			}
		}
		for key, value := range fresh {
			was, ok := before[key]
			switch {
			case known && !ok && empty(value):
				delete(fresh, key)
			case ok && empty(value) && empty(was), sameNumber(value, was):
				fresh[key] = was
			default:
				settle(value, was)
			}
		}
		for key, was := range before {
			if _, ok := fresh[key]; !ok && empty(was) {
				fresh[key] = was
			}
		}
	case []any:
		before, _ := old.([]any)
		for i, item := range fresh {
			settle(item, counterpart(item, i, before))
		}
	}
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
	default:
		return value == nil || value == false || value == "" || value == zero
	}
}

// counterpart finds in old what an item was.
func counterpart(item any, i int, old []any) any {
	object, _ := item.(map[string]any)
	for _, key := range []string{"id", "name", "refId"} {
		if object[key] == nil {
			continue
		}
		for _, o := range old {
			if was, _ := o.(map[string]any); reflect.DeepEqual(was[key], object[key]) {
				return was
			}
		}
		return nil
	}
	if i < len(old) {
		return old[i]
	}
	return nil
}
