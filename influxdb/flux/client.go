// Package flux sends Flux to InfluxDB 2 and reads its annotated CSV, for tests and for the checks
// of the dashboards. It holds an answer whole: it is not for the programs that run all day.
package flux

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
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

// Call sends any request to InfluxDB's HTTP API and returns the answer. An error has InfluxDB's
// words.
func (c Client) Call(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Token "+c.Token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask InfluxDB: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read InfluxDB's answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		var said struct{ Message string }
		if json.Unmarshal(text, &said) != nil || said.Message == "" {
			said.Message = strings.TrimSpace(string(text))
		}
		return nil, fmt.Errorf("%s: %s", resp.Status, said.Message)
	}
	return text, nil
}
