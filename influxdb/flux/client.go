// Package flux sends Flux to InfluxDB 2 and reads its annotated CSV, for tests and for the checks
// of the dashboards. It holds an answer whole: it is not for the programs that run all day.
package flux

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"colorstream/influxdb/access"
)

// Client sends queries to one InfluxDB.
type Client struct {
	URL, Org, Token string
}

// Run sends Flux and reads all of the answer.
func (c Client) Run(ctx context.Context, flux string) ([]Table, error) {
	body, err := c.Raw(ctx, flux)
	if err != nil {
		return nil, err
	}
	return parse(body)
}

// Raw sends Flux and returns the answer as annotated CSV.
func (c Client) Raw(ctx context.Context, flux string) ([]byte, error) {
	ask, err := json.Marshal(map[string]any{
		"query": flux, "type": "flux",
		"dialect": map[string]any{
			"annotations": []string{"group", "datatype", "default"}, "dateTimeFormat": "RFC3339Nano",
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
func (c Client) Call(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	return access.Client{URL: c.URL, Token: c.Token}.Call(ctx, method, path, contentType, body)
}
