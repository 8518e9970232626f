package access

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxMessage bounds what is quoted of an answer that is no message of InfluxDB's.
const maxMessage = 200

// A Client calls InfluxDB's HTTP API. It is for tests and commands: it reads answers whole.
type Client struct {
	URL   string // may have a user and a password, instead of a token
	Token string
	HTTP  *http.Client // nil: the default one
}

// A StatusError is an answer other than success, in InfluxDB's words.
type StatusError struct {
	Status  int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("InfluxDB answers %d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
}

// Call sends a request and returns the answer. Its error may be a [*StatusError].
func (c Client) Call(
	ctx context.Context, method, path, contentType string, body []byte,
) ([]byte, error) {
	address := strings.TrimRight(c.URL, "/") + path
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Token "+c.Token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", req.URL.Path, err)
	}
	if resp.StatusCode/100 == 2 {
		return text, nil
	}
	var said struct{ Message string }
	if json.Unmarshal(text, &said) != nil || said.Message == "" {
		said.Message = strings.TrimSpace(string(text[:min(len(text), maxMessage)]))
	}
	return nil, &StatusError{resp.StatusCode, said.Message}
}
