package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"colorstream/dashboard/proxy"
)

// A send is one request as bytes on a socket, and what must become of it.
type send struct {
	name   string
	raw    string
	status int
	up     bool // it reaches Grafana
}

func request(method, target string, header ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: page.test:8050\r\n" +
		strings.Join(append(header, "Connection: close"), "\r\n") + "\r\n\r\n"
}

func query(body string, header ...string) string {
	return post(append(header, fmt.Sprintf("Content-Length: %d", len(body)))...) + body
}

func post(header ...string) string {
	return request("POST", "/api/ds/query", append(header, "Content-Type: application/json")...)
}

// passes, refuses and answers make tables of requests that fare alike.
func passes(name string, raws ...string) []send  { return many(name, 200, true, raws) }
func unknown(name string, raws ...string) []send { return many(name, 404, false, raws) }
func bad(name string, raws ...string) []send     { return many(name, 400, false, raws) }
func denied(name string, raws ...string) []send  { return many(name, 403, false, raws) }

func many(name string, status int, up bool, raws []string) (all []send) {
	for i, raw := range raws {
		all = append(all, send{fmt.Sprintf("%s %d", name, i), raw, status, up})
	}
	return all
}

// each makes GETs of the targets.
func each(targets ...string) (raws []string) {
	for _, target := range targets {
		raws = append(raws, request("GET", target))
	}
	return raws
}

const solo = "/d-solo/colors/x?orgId=1&panelId=1"

// chunked sends a data query of unknown length.
func chunked(body string) string {
	return post("Transfer-Encoding: chunked") +
		fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
}

// What Grafana gets of each request is judged by the stand-in.
func TestTable(t *testing.T) {
	t.Parallel()
	all := sends()
	if len(all) < 400 {
		t.Fatalf("%d requests in the table, want at least 400", len(all))
	}
	g, p := start(t, nil, func(cfg *proxy.Config) { cfg.Limits().BodyTime = time.Second })
	for _, send := range all {
		if status := talk(t, p, send.raw); status != send.status {
			t.Errorf("%s: status %d, want %d, for %.300q", send.name, status, send.status, send.raw)
		}
		seen, _ := g.record()
		if want := map[bool]int{true: 1}[send.up]; len(seen) != want {
			t.Errorf("%s: %d requests reached Grafana, want %d: %q", send.name, len(seen), want, seen)
		}
	}
}

// talk sends bytes and returns the status of the first answer, after which the other side must
// close.
func talk(t *testing.T, p *page, raw string) int {
	t.Helper()
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// The other side may have answered and closed before it has read everything.
	go func() { _, _ = io.WriteString(conn, raw) }()
	reader := bufio.NewReader(conn)
	method, _, _ := strings.Cut(raw, " ")
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	for err == nil && response.StatusCode == http.StatusContinue {
		response, err = http.ReadResponse(reader, &http.Request{Method: method})
	}
	if err != nil {
		t.Fatalf("no answer to %.300q: %v", raw, err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("read the answer: %v", err)
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("a second answer to one request: %.200q", rest)
	}
	return response.StatusCode
}
