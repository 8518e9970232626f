package query

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client sends queries to one InfluxDB.
type Client struct {
	URL, Org, Token string
	HTTP            *http.Client // nil means the default one
}

// An Error is InfluxDB's refusal of a query, in its own words.
type Error struct {
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Message }

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
		"dialect": map[string]any{"annotations": []string{"group", "datatype", "default"}, "dateTimeFormat": "RFC3339Nano"},
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/api/v2/query?org="+url.QueryEscape(c.Org), bytes.NewReader(ask))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Token "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("query InfluxDB: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read InfluxDB's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var said struct{ Message string }
		if json.Unmarshal(body, &said) != nil || said.Message == "" {
			said.Message = strings.TrimSpace(string(body))
		}
		return nil, &Error{Status: resp.StatusCode, Message: said.Message}
	}
	return body, nil
}

// Write sends lines of line protocol with times in nanoseconds.
func (c Client) Write(ctx context.Context, bucket string, lines []byte) error {
	address := c.URL + "/api/v2/write?" + url.Values{"org": {c.Org}, "bucket": {bucket}, "precision": {"ns"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(lines))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Token "+c.Token)
	client := &http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("write to InfluxDB: %w", err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("write to InfluxDB: %s: %s", resp.Status, bytes.TrimSpace(body))
	}
	return nil
}
