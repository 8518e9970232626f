package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"colorstream/generator/redistest"
)

// certificate makes a certificate that signs itself, and its key, as PEM.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func TestRedisWithTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, text := range map[string]string{certFile: cert, keyFile: key} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := redistest.Start(t)
	c := server.Client()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	for _, set := range [][2]string{
		{"tls-cert-file", certFile}, {"tls-key-file", keyFile}, {"tls-ca-cert-file", certFile}, {"tls-auth-clients", "yes"}, {"tls-port", port},
	} {
		if err := c.ConfigSet(t.Context(), set[0], set[1]).Err(); err != nil {
			t.Skipf("this redis-server has no TLS: %v", err)
		}
	}
	for name, test := range map[string]struct {
		url    string
		json   string
		secret map[string]string
		want   string // empty: it works
	}{
		"all right":         {"rediss://" + addr, `{}`, map[string]string{"tlsCACert": cert, "tlsClientCert": cert, "tlsClientKey": key}, ""},
		"not verified":      {"rediss://" + addr, `{"tlsSkipVerify":true}`, map[string]string{"tlsClientCert": cert, "tlsClientKey": key}, ""},
		"unknown authority": {"rediss://" + addr, `{}`, map[string]string{"tlsClientCert": cert, "tlsClientKey": key}, "is not trusted"},
		"no client":         {"rediss://" + addr, `{}`, map[string]string{"tlsCACert": cert}, "certificate"},
		"without TLS":       {"redis://" + addr, `{}`, nil, "write rediss://"},
	} {
		s, err := open(slog.New(slog.DiscardHandler), backend.DataSourceInstanceSettings{
			URL: test.url, JSONData: []byte(test.json), DecryptedSecureJSONData: test.secret,
		})
		if err != nil {
			t.Fatal(err)
		}
		if test.want == "" {
			test.want = "nothing was published" // it got that far
		}
		_, _, err = s.redis.Probe(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		s.Dispose()
	}

	// Panels stream over TLS too: reads that end for a tick leave the connection whole.
	set := settingsFor("rediss://"+addr, nil)
	set.DecryptedSecureJSONData = map[string]string{"tlsCACert": cert, "tlsClientCert": cert, "tlsClientKey": key}
	p := start(t, set)
	w := p.watch(t, "windows/running/max")
	heard(t, c)
	for i := range 20 {
		publish(t, c, "red", float64(i+1))
		time.Sleep(50 * time.Millisecond)
	}
	eventually(t, "the last message", func() bool {
		v := w.values("red")
		return len(v) > 0 && v[len(v)-1].value == 20
	})
	if text := p.log.String(); strings.Contains(text, "Redis is away") {
		t.Errorf("the connection broke: %s", text)
	}
}
