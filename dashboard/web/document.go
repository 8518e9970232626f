package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"colorstream/dashboard/latest"
	"colorstream/dashboard/palette"
)

// A document is what /latest answers:
//
//	{
//	  "window_seconds": 5,
//	  "stale_after_seconds": 30,
//	  "newest": "2026-01-02T03:04:00Z",
//	  "stale": false,
//	  "omitted": 0,
//	  "state": {
//	    "influxdb": {"ok": true, "since": "2026-01-02T03:00:00Z", "text": "InfluxDB answers"},
//	    "grafana": {"ok": true, "since": "2026-01-02T03:00:01Z", "text": "Grafana shows the panel", "panels": [1, 2, 3, 4], "revision": "f00"}
//	  },
//	  "colors": [
//	    {
//	      "color": "red",
//	      "shade": {"light": "#e02f44", "dark": "#f2495c"},
//	      "start": "2026-01-02T03:04:00Z",
//	      "end": "2026-01-02T03:04:05Z",
//	      "mean": 50.5,
//	      "median": 50,
//	      "min": 1,
//	      "max": 100,
//	      "count": 5,
//	      "complete": true,
//	      "exact": true,
//	      "stale": false,
//	      "previous": {"start": "2026-01-02T03:03:55Z", "mean": 48.25, "median": 47, "min": 3, "max": 99, "count": 4}
//	    }
//	  ]
//	}
//
// | field               | type    | unit          | meaning                                                              |
// |---------------------|---------|---------------|----------------------------------------------------------------------|
// | window_seconds      | number  | s             | width of a window                                                    |
// | stale_after_seconds | number  | s             | age of a window's end after which its colour is stale                |
// | newest              | string  | RFC 3339, UTC | start of the newest window of all; null if there is none             |
// | stale               | boolean | –             | even the newest window is stale, or there is none                    |
// | omitted             | integer | colours       | colours that are too many to be listed                               |
// | state               | object  | –             | of the two that the page needs: whether it works (ok), since when,   |
// |                     |         |               | and in words. If InfluxDB does not, the colors are the last ones     |
// |                     |         |               | that were read. Of Grafana also which panels it has, and a text that |
// |                     |         |               | changes when the dashboard does                                      |
// | colors              | array   | –             | by name, the newest window of each                                   |
// | shade               | object  | #rrggbb       | to draw the colour in, on a light and on a dark background           |
// | start, end          | string  | RFC 3339, UTC | the window is [start, end)                                           |
// | mean … max          | number  | the messages' | statistics of the values in the window                               |
// | count               | integer | messages      | messages in the window                                               |
// | complete            | boolean | –             | false: the worker did not hear the whole window                      |
// | exact               | boolean | –             | false: the median is approximate, the window passed a memory limit   |
// | stale               | boolean | –             | the window ended too long ago for a colour that is alive             |
// | previous            | object  | –             | the colour's window before; null if none is known                    |
//
// A window's age is not in it, so that the document only changes when the data does and a client may keep it by its
// ETag: the age is the answer's Date less end.
//
// The events of /events have the same parts: a snapshot is a document, a state is its state, and windows is
//
//	{"windows": [ … of colors … ]}
type document struct {
	WindowSeconds     float64    `json:"window_seconds"`
	StaleAfterSeconds float64    `json:"stale_after_seconds"`
	Newest            *time.Time `json:"newest"`
	Stale             bool       `json:"stale"`
	Omitted           int        `json:"omitted"`
	State             state      `json:"state"`
	Colors            []window   `json:"colors"`
}

// A window is one colour's newest window.
type window struct {
	Color    string        `json:"color"`
	Shade    palette.Shade `json:"shade"`
	Start    time.Time     `json:"start"`
	End      time.Time     `json:"end"`
	Mean     float64       `json:"mean"`
	Median   float64       `json:"median"`
	Min      float64       `json:"min"`
	Max      float64       `json:"max"`
	Count    int64         `json:"count"`
	Complete bool          `json:"complete"`
	Exact    bool          `json:"exact"`
	Stale    bool          `json:"stale"`
	Previous *previous     `json:"previous"`
}

type previous struct {
	Start  time.Time `json:"start"`
	Mean   float64   `json:"mean"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Count  int64     `json:"count"`
}

// newDocument describes the snapshot as of now.
func (c Config) newDocument(s latest.Snapshot, state state, now time.Time) document {
	d := document{
		WindowSeconds: c.Window.Seconds(), StaleAfterSeconds: c.Stale.Seconds(),
		Stale:   c.stale(s.Newest, now),
		State:   state,
		Omitted: s.Omitted,
		Colors:  make([]window, len(s.Colors)),
	}
	if !s.Newest.IsZero() {
		d.Newest = &s.Newest
	}
	for i, color := range s.Colors {
		d.Colors[i] = c.newWindow(color, now)
	}
	return d
}

func (c Config) newWindow(color latest.Color, now time.Time) window {
	p := color.Point
	w := window{
		Color: p.Color, Shade: palette.Of(p.Color), Start: p.Start, End: p.Start.Add(c.Window),
		Mean: p.Mean, Median: p.Median, Min: p.Min, Max: p.Max, Count: p.Count,
		Complete: p.Complete, Exact: !p.Approximate, Stale: c.stale(p.Start, now),
	}
	if color.Previous != nil {
		p := *color.Previous
		w.Previous = &previous{Start: p.Start, Mean: p.Mean, Median: p.Median, Min: p.Min, Max: p.Max, Count: p.Count}
	}
	return w
}

// stale tells whether a window that starts at start ended too long ago.
func (c Config) stale(start, now time.Time) bool {
	return now.Sub(start.Add(c.Window)) > c.Stale
}

// encode returns the document's JSON and its ETag.
func encode(document any) (body []byte, etag string, err error) {
	if body, err = json.Marshal(document); err != nil {
		return nil, "", err
	}
	return append(body, '\n'), tag(body), nil
}

// tag makes the ETag of a body.
func tag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}
