// Package flux sends Flux to InfluxDB 2, for tests and for the checks of the dashboards. It holds
// an answer whole: it is not for the programs that run all day.
package flux

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/influxdata/influxdb-client-go/v2/api"

	"colorstream/influxdb/access"
)

// Client sends queries to one InfluxDB.
type Client struct {
	URL, Org, Token string
}

// A Table is the rows of one group.
type Table []Row

// A Row is the columns of one row by name, each a float64, int64, uint64, bool, time.Time or
// string. What is null or empty is nil.
type Row map[string]any

// Run sends Flux and reads all of the answer, without the columns result and table.
func (c Client) Run(ctx context.Context, flux string) (tables []Table, err error) {
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
	answer, err := access.Client{URL: c.URL, Token: c.Token}.Open(
		ctx, http.MethodPost, address, "application/json", ask)
	if err != nil {
		return nil, err
	}
	result := api.NewQueryTableResult(answer)
	defer result.Close()
	var current any
	for result.Next() {
		row := Row(result.Record().Values())
		if result.TableChanged() || row["table"] != current {
			current, tables = row["table"], append(tables, nil)
		}
		delete(row, "result")
		delete(row, "table")
		last := &tables[len(tables)-1]
		*last = append(*last, row)
	}
	if err := result.Err(); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return tables, nil
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
