package influx

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"colorstream/influxdb/access"
)

const secretToken = "a-very-secret-token"

// connect makes a Client of the handler's server.
func connect(t *testing.T, handler http.HandlerFunc, change ...func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return connectTo(t, server.URL, change...)
}

func connectTo(t *testing.T, url string, change ...func(*Config)) *Client {
	t.Helper()
	config := Config{
		Config: access.Config{URL: url, Org: "colors", Bucket: "color_data"}, Token: secretToken,
	}
	for _, c := range change {
		c(&config)
	}
	client, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// body reads a request's lines.
func body(t testing.TB, r *http.Request) string {
	t.Helper()
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Errorf("the request is not compressed: %v", err)
		return ""
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func answerJSON(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%q,"message":%q}`, code, message)
}

func TestRequest(t *testing.T) {
	t.Parallel()
	client := connect(t, func(w http.ResponseWriter, r *http.Request) {
		const want = "POST /base/api/v2/write bucket=color_data&org=colors&precision=ns"
		if got := r.Method + " " + r.URL.Path + " " + r.URL.Query().Encode(); got != want {
			t.Errorf("got %s", got)
		}
		if got := r.Header.Get("Authorization"); got != "Token "+secretToken {
			t.Errorf("authorization %q", got)
		}
		if got := body(t, r); got != "m f=1 1\nm f=2 2\n" {
			t.Errorf("body %q", got)
		}
		w.WriteHeader(http.StatusNoContent)
	}, func(c *Config) { c.URL += "/base" })
	if err := client.Write(t.Context(), []byte("m f=1 1\nm f=2 2\n")); err != nil {
		t.Error(err)
	}
}

// What InfluxDB says of points that are older than the bucket keeps, in 2.8 and before.
const (
	tooOld28 = "failure writing points to database: partial write: dropped 3 points outside " +
		"retention policy of duration 1h0m0s - oldest point color_metrics,color=a\\ dropped\\=7 at " +
		"2025-01-02T03:04:05Z dropped because it violates a Retention Policy Lower Bound at " +
		"2025-01-03T03:04:05Z, newest point … " +
		"dropped=3 for database: 0a1b for retention policy: autogen"
	tooOld20 = "failure writing points to database: partial write: " +
		"points beyond retention policy dropped=3"
)

func TestDropped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		tooOld28: 3, tooOld20: 3, "": 0, "partial write: x": 0, "who knows dropped=3": 0,
		"partial write: x dropped=": 0, "partial write: x dropped=-3": 0,
		"partial write: x dropped=99999999999999999999": 1<<63 - 1,
	} {
		if got := dropped(text); got != want {
			t.Errorf("%q says %d, want %d", text, got, want)
		}
	}
}

// Every row of the answer table.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		class  Class
		text   string // in the error
	}{
		{"200", status(200, ""), "", ""},
		{"204", status(204, ""), "", ""},
		{"400", jsonStatus(400, "invalid", "unable to parse 'x': missing"), Rejected, "missing"},
		{"422", jsonStatus(422, "x", "partial write: dropped=1"), Rejected, "partial write"},
		{"422 too old", jsonStatus(422, "x", tooOld28), TooOld, "outside retention policy"},
		{"422 too old, 2.0", jsonStatus(422, "x", tooOld20), TooOld, "beyond retention"},
		{"400 of a proxy", status(400, "<html>sent to HTTPS port"), Unexpected, "INFLUX_URL"},
		{"413", status(413, "<html>too large"), TooLarge, "too large"},
		{"401", jsonStatus(401, "unauthorized", "unauthorized access"), Denied, "INFLUX_TOKEN_FILE"},
		{
			"403", jsonStatus(403, "forbidden", "insufficient permissions"), Denied,
			`may not write to bucket "color_data" of organisation "colors"`,
		},
		{"404", jsonStatus(404, "not found", `bucket "color_data" not found`), Missing, "INFLUX_BUCKET"},
		{"405", status(405, ""), Unexpected, "INFLUX_URL"},
		{"301", redirect(301), Unexpected, "http://elsewhere.invalid/"},
		{"307", redirect(307), Unexpected, "http://elsewhere.invalid/"},
		{"408", status(408, ""), Throttled, "408"},
		{"429", status(429, ""), Throttled, "429"},
		{"500", jsonStatus(500, "x", "cache-max-memory-size exceeded"), Server, "cache-max-memory-size"},
		{"502", status(502, "<html>bad gateway"), Server, "bad gateway"},
		{"503", status(503, ""), Server, "503"},
		{"hung", func(_ http.ResponseWriter, r *http.Request) { hang(r) }, Network, "no answer in time"},
		{"hung after the header", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			w.(http.Flusher).Flush()
			hang(r)
		}, Network, "broke off"},
		{"cut off at once", raw(""), Network, "EOF"},
		{"cut off in the status", raw("HTTP/1.1 204 No"), Network, "INFLUX_URL"},
		{"cut off in the header", raw("HTTP/1.1 204 No Content\r\nX-In"), Network, "INFLUX_URL"},
		{"cut off in the body", raw("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n" +
			"Content-Length: 100\r\n\r\n{\"code\":\"inva"), Network, "broke off"},
		{"not HTTP", raw("220 smtp ready\r\n\r\n"), Network, "INFLUX_URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := connect(t, c.answer, func(c *Config) { c.Timeout = 300 * time.Millisecond })
			err := client.Write(t.Context(), []byte("m f=1 1"))
			if c.class == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			answer, ok := errors.AsType[*WriteError](err)
			if !ok || answer.Class != c.class || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v (%+v), want class %s and %q", err, answer, c.class, c.text)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, answer), secretToken) {
				t.Errorf("the token is in %+v", answer)
			}
			t.Log(err)
		})
	}
}

// hang waits for the client to go away, which a server sees only after it has read the request.
func hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func status(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func jsonStatus(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, status, code, message) }
}

func redirect(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere.invalid/", status)
	}
}

// raw reads the request, writes bytes and closes the connection.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = rw.WriteString(answer)
		_ = rw.Flush()
		_ = conn.Close()
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	err = connectTo(t, "http://"+l.Addr().String()).Write(t.Context(), []byte("m f=1"))
	if answer, ok := errors.AsType[*WriteError](err); !ok || answer.Class != Network ||
		!strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	err = connectTo(t, "http://no-such-host.invalid:8086").Write(t.Context(), []byte("m f=1"))
	if !strings.Contains(fmt.Sprint(err), "host name in INFLUX_URL") {
		t.Errorf("got %v", err)
	}
	t.Log(err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = connectTo(t, "http://"+l.Addr().String()).Write(ctx, []byte("m f=1"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A server that reads nothing must not hold the sender for ever, however large the request.
func TestServerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := connectTo(t, "http://"+l.Addr().String(), func(c *Config) {
		c.Timeout = 200 * time.Millisecond
	})
	var lines strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&lines, "m,color=%x f=%d %d\n", i*7919, i*i, i)
	}
	err = client.Write(t.Context(), []byte(lines.String()))
	if answer, ok := errors.AsType[*WriteError](err); !ok || answer.Class != Network {
		t.Errorf("got %v", err)
	}
}

// An answer without end is not read to the end.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	client := connect(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		b := bufio.NewWriter(w)
		for r.Context().Err() == nil {
			if _, err := b.WriteString("endless "); err != nil {
				return
			}
		}
	})
	err := client.Write(t.Context(), []byte("m f=1"))
	answer, ok := errors.AsType[*WriteError](err)
	if !ok || answer.Class != Server || len(answer.Message) > maxAnswer || len(err.Error()) > 1000 {
		t.Errorf("got %.200v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-3": 0,
		"1.5":                  1500 * time.Millisecond,
		"99999999999999999999": maxRetryAfter, "1e300": maxRetryAfter, "NaN": 0, "soon": 0,
		"Fri, 02 Jan 2026 03:04:15 GMT":   10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT":   0,
		"Sat, 03 Jan 2026 03:04:00 GMT":   maxRetryAfter,
		"Friday, 02-Jan-26 03:04:15 GMT":  10 * time.Second,
		"2026-01-02T03:04:15Z not a date": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
	client := connect(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(503)
	})
	err := client.Write(t.Context(), []byte("m f=1"))
	if answer, ok := errors.AsType[*WriteError](err); !ok || answer.RetryAfter != 3*time.Second {
		t.Errorf("got %+v", err)
	}
}

// Errors do not hold what is secret.
func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, token, want string }{
		{"http://user:password@host:bad", "", "INFLUX_URL"},
		{"http://host", "secret\ntoken", "INFLUX_TOKEN"},
	} {
		_, err := New(Config{Config: access.Config{URL: c.url}, Token: c.token})
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
