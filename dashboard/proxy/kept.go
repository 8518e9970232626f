package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// kept is a whole answer in memory. Nobody changes it.
type kept struct {
	status int
	header http.Header
	body   []byte
}

func keep(response *http.Response, most int64) (*kept, error) {
	if response.ContentLength > most {
		return nil, errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("read Grafana's answer: %w", err)
	}
	if int64(len(body)) > most {
		return nil, errTooLarge
	}
	return &kept{status: response.StatusCode, header: only(response.Header, responseHeaders), body: body}, nil
}

func (k *kept) response(r *http.Request) *http.Response {
	header := k.header.Clone()
	header.Set("Content-Length", strconv.Itoa(len(k.body)))
	return &http.Response{
		Status: http.StatusText(k.status), StatusCode: k.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(len(k.body)), Body: io.NopCloser(bytes.NewReader(k.body)), Request: r,
	}
}
