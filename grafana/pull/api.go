package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var (
	errNotFound = errors.New("not found")
	errV2       = errors.New("it is in the v2 schema, which Grafana does not load from files: " +
		"export it there as JSON with the model Classic, and put that into the file")
)

// timeout bounds one request.
const timeout = 15 * time.Second

// limit is larger than any dashboard.
const limit = 32 << 20

type found struct{ UID, Title string }

// search lists all dashboards that the visitor may see.
func (c Config) search(ctx context.Context) ([]found, error) {
	var out []found
	return out, c.get(ctx, "/api/search?type=dash-db&limit=5000", &out)
}

// dashboard returns one dashboard's JSON.
func (c Config) dashboard(ctx context.Context, uid string) (json.RawMessage, error) {
	var answer struct {
		Dashboard json.RawMessage
		Meta      struct{ APIVersion string }
	}
	if err := c.get(ctx, "/api/dashboards/uid/"+url.PathEscape(uid), &answer); err != nil {
		return nil, err
	}
	if isV2(answer.Dashboard, answer.Meta.APIVersion) {
		return nil, errV2
	}
	return answer.Dashboard, nil
}

func (c Config) get(ctx context.Context, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx,
		http.MethodGet, strings.TrimRight(c.URL, "/")+path, nil)
	if err != nil {
		return fmt.Errorf("GRAFANA_URL=%s: %w", c.URL, err)
	}
	switch {
	case c.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.Token)
	case c.User != "":
		req.SetBasicAuth(c.User, c.Password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("GRAFANA_URL=%s: Grafana does not answer: %w", c.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return fmt.Errorf("read Grafana's answer: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return errNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("not allowed (%s): set GRAFANA_TOKEN, or GRAFANA_USER and GRAFANA_PASSWORD",
			resp.Status)
	default:
		if strings.Contains(string(body), "v2") {
			return errV2
		}
		return fmt.Errorf("unexpected answer %s to %s: %.200s", resp.Status, path, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("GRAFANA_URL=%s: what answers is not Grafana: %w", c.URL, err)
	}
	return nil
}
