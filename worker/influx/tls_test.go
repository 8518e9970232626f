package influx

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"colorstream/generator/certs"
	"colorstream/generator/certs/certstest"
)

// A private authority signed InfluxDB's certificate, and InfluxDB asks for the worker's.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := certstest.New(t), certstest.New(t)
	its := ours.Issue(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(its.Cert, its.Key)
	if err != nil {
		t.Fatal(err)
	}
	var serials []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			serials = append(serials, r.TLS.PeerCertificates[0].SerialNumber.String())
			w.WriteHeader(http.StatusNoContent)
		}))
	clients := x509.NewCertPool()
	clients.AddCert(ours.Cert)
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: clients,
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()

	dir := t.TempDir()
	files, foreign := ours.Issue(t, dir), theirs.Issue(t, t.TempDir())
	write := func(files certs.Files, want string) *Client {
		t.Helper()
		client := connectTo(t, server.URL, func(c *Config) { c.Files = files })
		err := client.Write(t.Context(), []byte("m f=1"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		return client
	}
	write(certs.Files{Cert: files.Cert, Key: files.Key}, "signed by unknown authority")
	write(certs.Files{CA: theirs.File, Cert: files.Cert, Key: files.Key}, "signed by unknown authority")
	write(certs.Files{CA: ours.File}, "InfluxDB does not answer")
	write(certs.Files{CA: ours.File, Cert: foreign.Cert, Key: foreign.Key}, "InfluxDB does not answer")
	client := write(files, "")

	// The certificate is renewed while the worker runs.
	ours.Issue(t, dir)
	client.Close()
	if err := client.Write(t.Context(), []byte("m f=1")); err != nil {
		t.Error(err)
	}
	if len(serials) != 2 || serials[0] == serials[1] {
		t.Errorf("the certificates used are %v", serials)
	}
}
