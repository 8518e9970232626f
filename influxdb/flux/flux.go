// Package flux sends Flux to InfluxDB 2 and reads its annotated CSV, for tests and for the checks
// of the dashboards. It holds an answer whole: it is not for the programs that run all day.
package flux

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"colorstream/influxdb/access"
)

// Client sends queries to one InfluxDB.
type Client struct {
	URL, Org, Token string
}

// A Table is the rows of one group.
type Table []Row

// A Row is the columns of one row by name. A null is nil.
//
//	| Flux             | Go        |
//	|------------------|-----------|
//	| double           | float64   |
//	| long             | int64     |
//	| unsignedLong     | uint64    |
//	| boolean          | bool      |
//	| dateTime:RFC3339 | time.Time |
//	| all else         | string    |
type Row map[string]any

// Run sends Flux and reads all of the answer.
func (c Client) Run(ctx context.Context, flux string) ([]Table, error) {
	body, err := c.Raw(ctx, flux)
	if err != nil {
		return nil, err
	}
	return parse(body)
}

// Raw sends Flux and returns the answer as CSV that is annotated with the columns' types.
func (c Client) Raw(ctx context.Context, flux string) ([]byte, error) {
	ask, err := json.Marshal(map[string]any{
		"query": flux, "type": "flux",
		"dialect": map[string]any{
			"annotations": []string{"datatype"}, "dateTimeFormat": "RFC3339Nano",
		},
	})
	if err != nil {
		return nil, err
	}
	address := "/api/v2/query?" + url.Values{"org": {c.Org}}.Encode()
	return c.Call(ctx, http.MethodPost, address, "application/json", ask)
}

// Write sends lines of line protocol with times in nanoseconds.
func (c Client) Write(ctx context.Context, bucket string, lines []byte) error {
	query := url.Values{"org": {c.Org}, "bucket": {bucket}, "precision": {"ns"}}
	_, err := c.Call(ctx, http.MethodPost, "/api/v2/write?"+query.Encode(),
		"text/plain; charset=utf-8", lines)
	return err
}

// Call sends any request to InfluxDB's HTTP API and returns the answer.
func (c Client) Call(
	ctx context.Context, method, path, contentType string, body []byte,
) ([]byte, error) {
	return access.Client{URL: c.URL, Token: c.Token}.Call(ctx, method, path, contentType, body)
}

// parse reads annotated CSV: for each kind of table a line with the types, a header, then rows.
func parse(data []byte) (tables []Table, err error) {
	var types, header []string
	number := -1 // the column called table
	current := ""
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	for {
		record, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return tables, nil
		case err != nil:
			return nil, fmt.Errorf("read annotated CSV: %w", err)
		case record[0] == "#datatype":
			types, header = record, nil
			continue
		case header == nil:
			header, number, current = record, slices.Index(record, "table"), ""
			continue
		case number < 0: // its header is error and reference
			return nil, fmt.Errorf("InfluxDB broke off: %s", strings.Join(record, " "))
		case len(record) != len(header) || len(types) != len(header):
			return nil, fmt.Errorf("read annotated CSV: a row has %d columns, its header %d",
				len(record), len(header))
		}
		row := Row{}
		for i := number + 1; i < len(header); i++ {
			if row[header[i]], err = decode(record[i], types[i]); err != nil {
				return nil, fmt.Errorf("column %s: %w", header[i], err)
			}
		}
		if record[number] != current {
			current, tables = record[number], append(tables, nil)
		}
		last := &tables[len(tables)-1]
		*last = append(*last, row)
	}
}

func decode(text, kind string) (any, error) {
	if text == "" && kind != "string" {
		return nil, nil
	}
	switch kind {
	case "double":
		return strconv.ParseFloat(text, 64)
	case "long":
		return strconv.ParseInt(text, 10, 64)
	case "unsignedLong":
		return strconv.ParseUint(text, 10, 64)
	case "boolean":
		return strconv.ParseBool(text)
	case "dateTime:RFC3339", "dateTime:RFC3339Nano":
		return time.Parse(time.RFC3339Nano, text)
	default:
		return text, nil
	}
}
