package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"colorstream/generator/certs/certstest"
	"colorstream/generator/redistest"
)

func TestRedisWithTLS(t *testing.T) {
	t.Parallel()
	authority := certstest.New(t)
	files := authority.Issue(t, t.TempDir())
	text := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	ca, cert, key := text(files.CA), text(files.Cert), text(files.Key)
	server := redistest.Start(t)
	url := server.ServeTLS(files.CA, files.Cert, files.Key)
	keepPublishing(t, server.Client(), "colors", "hello")
	named := fmt.Sprintf(`{"caFile":%q,"certFile":%q,"keyFile":%q}`, files.CA, files.Cert, files.Key)
	for name, test := range map[string]struct {
		url    string
		json   string
		secret map[string]string
		want   string // empty: it works
	}{
		"all right": {
			url, `{}`,
			map[string]string{"tlsCACert": ca, "tlsClientCert": cert, "tlsClientKey": key},
			"",
		},
		"files":             {url, named, nil, ""},
		"files without TLS": {server.URL(), named, nil, "need a REDIS_URL with TLS"},
		"not verified": {
			url, `{"tlsSkipVerify":true}`,
			map[string]string{"tlsClientCert": cert, "tlsClientKey": key},
			"",
		},
		"unknown authority": {
			url, `{}`,
			map[string]string{"tlsClientCert": cert, "tlsClientKey": key},
			"is not trusted",
		},
		"no client":   {url, `{}`, map[string]string{"tlsCACert": ca}, "certificate"},
		"without TLS": {strings.Replace(url, "rediss", "redis", 1), `{}`, nil, "write rediss://"},
	} {
		s, err := open(slog.New(slog.DiscardHandler), backend.DataSourceInstanceSettings{
			URL: test.url, JSONData: []byte(test.json), DecryptedSecureJSONData: test.secret,
		})
		if err == nil {
			_, err = s.redis.Probe(t.Context())
		}
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
