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

// A Client calls InfluxDB's HTTP API.
type Client struct {
	URL    string // may have a user and a password, instead of a token
	Token  string
	Accept string       // the answers' content type, where InfluxDB has several
	HTTP   *http.Client // nil: the default one
}

// A StatusError is an answer other than success, in InfluxDB's words.
type StatusError struct {
	Status  int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("InfluxDB answers %d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
}

// Call sends a request and returns the whole answer. Its error may be a [*StatusError].
func (c Client) Call(
	ctx context.Context, method, path, contentType string, body []byte,
) ([]byte, error) {
	answer, err := c.Open(ctx, method, path, contentType, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	text, err := io.ReadAll(answer)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return text, nil
}

// Open sends a request and returns the answer, which the caller closes. Its error may be a
// [*StatusError].
func (c Client) Open(
	ctx context.Context, method, path, contentType string, body []byte,
) (io.ReadCloser, error) {
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
	if c.Accept != "" {
		req.Header.Set("Accept", c.Accept)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", req.URL.Path, err)
	}
	var said struct{ Message string }
	if json.Unmarshal(text, &said) != nil || said.Message == "" {
		said.Message = strings.TrimSpace(string(text[:min(len(text), maxMessage)]))
	}
	return nil, &StatusError{resp.StatusCode, said.Message}
}
