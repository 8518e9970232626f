package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// ErrV2 is returned for the other schema, which newer versions export unless told otherwise.
var ErrV2 = errors.New("this is the v2 schema, which Grafana does not load from files: export it again as Classic")

// Dashboard is one file in Grafana's classic schema, as far as the checks look at it. Whether the
// rest of it is well formed is the foundation SDK's business, see strict.go.
type Dashboard struct {
	UID           string
	Title         string
	SchemaVersion int
	Refresh       any // a string, or false
	Panels        []Panel
	Templating    struct{ List []Variable }
	Annotations   struct{ List []Annotation }
	Links         []Link

	// Keys are the file's top-level keys with their values.
	Keys map[string]json.RawMessage `json:"-"`
}

// Panel is one panel; a collapsed row holds the panels under it.
type Panel struct {
	ID         json.RawMessage // a number, if all is well
	Type       string
	Title      string
	Repeat     string
	Datasource json.RawMessage
	GridPos    *Grid
	Targets    []Target

	MaxDataPoints int // 0: as many as the panel is wide
	FieldConfig   struct {
		Defaults  Field
		Overrides []Override
	}
	Panels []Panel
}

// Grid is a panel's place: 24 columns, rows of 30 pixels.
type Grid struct{ X, Y, W, H int }

// Field is how values look.
type Field struct {
	Color *Color
	Links []Link
}

// Color is a colour mode with its colour.
type Color struct{ Mode, FixedColor string }

// Override changes the look of the fields that match.
type Override struct {
	Matcher struct {
		ID      string
		Options any
	}
	Properties []struct {
		ID    string
		Value json.RawMessage
	}
}

// Target is one query, as a set of keys, so that misspelt ones are seen.
type Target map[string]json.RawMessage

// Text returns a key's value if it is a string.
func (t Target) Text(key string) string {
	var s string
	_ = json.Unmarshal(t[key], &s)
	return s
}

// Source returns the uid of the data source that is asked.
func (t Target) Source() string { return source(t["datasource"]) }

// Variable is a template variable.
type Variable struct {
	Name       string
	Type       string
	Datasource json.RawMessage
	Query      json.RawMessage // a string, or an object with the key query
}

// Flux returns the variable's query.
func (v Variable) Flux() string {
	var s string
	if json.Unmarshal(v.Query, &s) == nil {
		return s
	}
	var o struct{ Query string }
	_ = json.Unmarshal(v.Query, &o)
	return o.Query
}

// Annotation marks moments on all panels. Grafana's own has BuiltIn 1.
type Annotation struct {
	Name       string
	BuiltIn    int
	Datasource json.RawMessage
	Target     Target
}

// Link is a link of a dashboard, a panel or a value.
type Link struct{ Title, Type, URL string }

// Parse reads one dashboard.
func Parse(data []byte) (*Dashboard, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("the file is empty: put the dashboard back, or delete the file")
	}
	d := new(Dashboard)
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&d.Keys); err != nil {
		return nil, locate(data, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the dashboard's last brace")
	}
	for _, key := range []string{"apiVersion", "spec", "elements"} {
		if d.Keys[key] != nil {
			return nil, ErrV2
		}
	}
	if err := json.Unmarshal(data, d); err != nil {
		return nil, locate(data, err)
	}
	return d, nil
}

// All yields every panel: rows, what stands under them, and what they hold
// while collapsed.
func (d *Dashboard) All() iter.Seq[*Panel] {
	return func(yield func(*Panel) bool) {
		for i := range d.Panels {
			p := &d.Panels[i]
			if !yield(p) {
				return
			}
			for j := range p.Panels {
				if !yield(&p.Panels[j]) {
					return
				}
			}
		}
	}
}

// Number returns the panel's id, or false if it is none that every version
// accepts.
func (p *Panel) Number() (int, bool) {
	var n int
	if json.Unmarshal(p.ID, &n) != nil || n < 1 {
		return 0, false
	}
	return n, true
}

// locate adds the line to a JSON error.
func locate(data []byte, err error) error {
	offset := int64(len(data))
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = e.Offset
	} else if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = e.Offset
	} // else the file ends in the middle
	return fmt.Errorf("this is no dashboard: line %d: %w", 1+bytes.Count(data[:offset], []byte("\n")), err)
}

// place names the panel in messages.
func (p *Panel) place() string {
	id := string(p.ID)
	if id == "" {
		id = "without id"
	}
	return fmt.Sprintf("panel %s %q", id, p.Title)
}

// links are those of the panel's values.
func (p *Panel) links() []Link {
	out := p.FieldConfig.Defaults.Links
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			var links []Link
			if strings.EqualFold(property.ID, "links") && json.Unmarshal(property.Value, &links) == nil {
				out = append(out, links...)
			}
		}
	}
	return out
}

// has reports whether there is a panel of the id.
func (d *Dashboard) has(id int) bool {
	for p := range d.All() {
		if n, ok := p.Number(); ok && n == id {
			return true
		}
	}
	return false
}
