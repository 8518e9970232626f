package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"
)

// ErrV2 is returned for the other schema, which newer versions export unless told otherwise.
var ErrV2 = errors.New("this is the v2 schema, which Grafana does not load from files: export it again as Classic")

// Dashboard is one file in Grafana's classic schema. The checks look into its JSON by paths, as
// package gjson has them. Whether all of it is well formed is the foundation SDK's business, see
// strict.go.
type Dashboard struct {
	gjson.Result

	UID   string
	Title string
}

// Parse reads one dashboard.
func Parse(data []byte) (*Dashboard, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("the file is empty: put the dashboard back, or delete the file")
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		offset := int64(len(data))
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = e.Offset
		}
		line := 1 + bytes.Count(data[:offset], []byte("\n"))
		return nil, fmt.Errorf("this is no dashboard: line %d: %w", line, err)
	}
	for _, key := range []string{"apiVersion", "spec", "elements"} {
		if keys[key] != nil {
			return nil, ErrV2
		}
	}
	all := gjson.ParseBytes(data)
	return &Dashboard{all, all.Get("uid").Str, all.Get("title").Str}, nil
}

// panels lists every panel: rows, what stands under them, and what they hold while collapsed.
func (d *Dashboard) panels() (out []panel) {
	for _, p := range d.Get("panels").Array() {
		out = append(out, panel{p})
		for _, inner := range p.Get("panels").Array() {
			out = append(out, panel{inner})
		}
	}
	return out
}

// panel finds the first one of an id.
func (d *Dashboard) panel(id int) (panel, bool) {
	for _, p := range d.panels() {
		if p.number() == id {
			return p, true
		}
	}
	return panel{}, false
}

// A panel is one of a dashboard's.
type panel struct{ gjson.Result }

// number is the panel's id, 0 if it is none that every version accepts.
func (p panel) number() int {
	n, _ := strconv.Atoi(p.Get("id").Raw)
	return max(n, 0)
}

// String names the panel in messages.
func (p panel) String() string {
	id := "without id"
	if v := p.Get("id"); v.Exists() {
		id = v.Raw
	}
	return fmt.Sprintf("panel %s %q", id, p.Get("title").Str)
}

// targets are the panel's queries.
func (p panel) targets() []gjson.Result { return p.Get("targets").Array() }

// flux is a template variable's query: a string, or an object with the key query.
func flux(variable gjson.Result) string {
	if q := variable.Get("query"); !q.IsObject() {
		return q.Str
	}
	return variable.Get("query.query").Str
}

// annotations are the dashboard's own, not Grafana's.
func (d *Dashboard) annotations() []gjson.Result {
	return slices.DeleteFunc(d.Get("annotations.list").Array(), func(a gjson.Result) bool {
		return a.Get("builtIn").Int() != 0
	})
}
