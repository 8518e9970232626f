package influxtest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Row is one row of a result: its columns by name. A column that is empty in
// the row is left out.
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

// Query runs Flux with the administrator's token and fails the test if that
// does not succeed.
func (s *Server) Query(t testing.TB, flux string) []Row {
	t.Helper()
	rows, err := s.TryQuery(t, s.AdminToken, flux)
	if err != nil {
		t.Fatalf("influxtest: query: %v\n%s", err, flux)
	}
	return rows
}

// TryQuery runs Flux with a token that may lack the permission.
func (s *Server) TryQuery(t testing.TB, token, flux string) ([]Row, error) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"query": flux, "type": "flux",
		"dialect": map[string]any{"annotations": []string{"datatype", "default"}, "header": true},
	})
	if err != nil {
		return nil, err
	}
	answer, err := s.call(t, http.MethodPost, token, "/api/v2/query?"+url.Values{"org": {s.Org}}.Encode(), "application/json", body)
	if err != nil {
		return nil, err
	}
	return parse(answer)
}

// Write writes line protocol with nanoseconds to the bucket, with the worker's
// token.
func (s *Server) Write(t testing.TB, lines string) {
	t.Helper()
	if err := s.TryWrite(t, s.WorkerToken, lines); err != nil {
		t.Fatalf("influxtest: write: %v\n%s", err, lines)
	}
}

// TryWrite writes with a token that may lack the permission.
func (s *Server) TryWrite(t testing.TB, token, lines string) error {
	t.Helper()
	query := url.Values{"org": {s.Org}, "bucket": {s.Bucket}, "precision": {"ns"}}
	_, err := s.call(t, http.MethodPost, token, "/api/v2/write?"+query.Encode(), "text/plain; charset=utf-8", []byte(lines))
	return err
}

// Get reads from InfluxDB's HTTP API.
func (s *Server) Get(t testing.TB, token, path string) ([]byte, error) {
	t.Helper()
	return s.call(t, http.MethodGet, token, path, "", nil)
}

func (s *Server) call(t testing.TB, method, token, path, contentType string, body []byte) ([]byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Token "+token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return text, nil
}

// parse reads InfluxDB's annotated CSV: tables, each after an empty line with
// annotations (#datatype, #default), a header and rows. An error that turns up
// while the answer is under way comes as a table with an error column.
func parse(text []byte) ([]Row, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	var rows []Row
	var types, defaults, names []string
	for {
		record, err := r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		switch {
		case record[0] == "#datatype":
			types, names = record, nil
		case record[0] == "#default":
			defaults = record
		case names == nil:
			names = record
		default:
			row, err := parseRow(record, names, types, defaults)
			if err != nil {
				return nil, err
			}
			if message, ok := row["error"]; ok && row["_value"] == nil && row["result"] == nil {
				return nil, fmt.Errorf("%v", message)
			}
			rows = append(rows, row)
		}
	}
}

func parseRow(record, names, types, defaults []string) (Row, error) {
	row := Row{}
	for i, text := range record {
		if i >= len(names) || names[i] == "" {
			continue
		}
		if text == "" && i < len(defaults) {
			text = defaults[i]
		}
		if text == "" {
			continue
		}
		kind := ""
		if i < len(types) {
			kind = types[i]
		}
		value, err := parseValue(text, kind)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", names[i], err)
		}
		row[names[i]] = value
	}
	return row, nil
}

func parseValue(text, kind string) (any, error) {
	switch {
	case kind == "double":
		return strconv.ParseFloat(text, 64)
	case kind == "long":
		return strconv.ParseInt(text, 10, 64)
	case kind == "unsignedLong":
		return strconv.ParseUint(text, 10, 64)
	case kind == "boolean":
		return strconv.ParseBool(text)
	case strings.HasPrefix(kind, "dateTime"):
		return time.Parse(time.RFC3339Nano, text)
	default:
		return text, nil
	}
}
