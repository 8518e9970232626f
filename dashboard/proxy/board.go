package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// targets holds the text of each query that a dashboard's panels show, and the keys that such a target has.
type targets map[string]map[string]bool

// A board is what the proxy needs to know of a dashboard.
type board struct {
	version json.Number // counts its edits
	panels  []int       // those of the permitted ones that it has
	targets targets
}

type panelJSON struct {
	ID         int             `json:"id"`
	DataSource json.RawMessage `json:"datasource"`
	Targets    []targetJSON    `json:"targets"`
	Panels     []panelJSON     `json:"panels"` // of a collapsed row
}

type targetJSON map[string]json.RawMessage

// parseBoard reads a dashboard as Grafana serves it: {"dashboard": …} from the classic address, {"spec": …} from
// the newer one. Only targets of the given panels that use the given data source count.
func parseBoard(data []byte, permitted []int, dataSource string) (*board, error) {
	var served struct {
		Dashboard *struct {
			Version json.Number `json:"version"`
			Panels  []panelJSON `json:"panels"`
		} `json:"dashboard"`
		Metadata struct {
			Generation json.Number `json:"generation"`
		} `json:"metadata"`
		Spec *struct {
			Panels   []panelJSON     `json:"panels"`
			Elements json.RawMessage `json:"elements"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(data, &served); err != nil {
		return nil, fmt.Errorf("read the dashboard's JSON: %w", err)
	}
	b := &board{targets: make(targets)}
	switch {
	case served.Dashboard != nil:
		b.version = served.Dashboard.Version
		b.add(served.Dashboard.Panels, permitted, dataSource)
	case served.Spec != nil && served.Spec.Elements == nil:
		b.version = served.Metadata.Generation
		b.add(served.Spec.Panels, permitted, dataSource)
	default:
		return nil, errors.New("the dashboard is not stored in the classic schema (export it as Classic)")
	}
	slices.Sort(b.panels)
	b.panels = slices.Compact(b.panels)
	return b, nil
}

func (b *board) add(panels []panelJSON, permitted []int, dataSource string) {
	for _, panel := range panels {
		b.add(panel.Panels, permitted, dataSource)
		if !slices.Contains(permitted, panel.ID) {
			continue
		}
		b.panels = append(b.panels, panel.ID)
		for _, target := range panel.Targets {
			source := panel.DataSource
			if own := target["datasource"]; len(own) > 0 && string(own) != "null" {
				source = own
			}
			var text string
			if isSource(source, dataSource) && json.Unmarshal(target["query"], &text) == nil && text != "" {
				keys := b.targets[text]
				if keys == nil {
					keys = make(map[string]bool)
					b.targets[text] = keys
				}
				for key := range target {
					keys[key] = true
				}
			}
		}
	}
}

func isSource(reference json.RawMessage, uid string) bool {
	var source sentDataSource
	return json.Unmarshal(reference, &source) == nil && source.Type == dataSourceType && source.UID == uid
}

// missing lists the permitted panels that the dashboard does not have.
func (b *board) missing(permitted []int) []int {
	return slices.DeleteFunc(slices.Clone(permitted), func(id int) bool { return slices.Contains(b.panels, id) })
}

// revision names what the board holds: two looks at the same dashboard give the same one, in any process.
func (b *board) revision() string {
	hash := sha256.New()
	fmt.Fprintln(hash, b.version, b.panels)
	for _, text := range slices.Sorted(maps.Keys(b.targets)) {
		fmt.Fprintf(hash, "%q %q\n", text, slices.Sorted(maps.Keys(b.targets[text])))
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
