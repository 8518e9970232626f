package influx

import (
	"net/http"
	"testing"

	"colorstream/generator/certs/certstest"
)

// A private authority signed InfluxDB's certificate, and InfluxDB asks for the worker's, which is
// renewed while the worker runs. Package access tests what may be wrong.
func TestTLS(t *testing.T) {
	t.Parallel()
	var serials []string
	ours := certstest.New(t)
	server := ours.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serials = append(serials, r.TLS.PeerCertificates[0].SerialNumber.String())
		w.WriteHeader(http.StatusNoContent)
	}))
	dir := t.TempDir()
	files := ours.Issue(t, dir)
	client := connectTo(t, server.URL, func(c *Config) {
		c.CA, c.Cert, c.Key = files.CA, files.Cert, files.Key
	})
	for range 2 {
		if err := client.Write(t.Context(), []byte("m f=1")); err != nil {
			t.Error(err)
		}
		ours.Issue(t, dir)
		client.Close()
	}
	if len(serials) != 2 || serials[0] == serials[1] {
		t.Errorf("the certificates used are %v", serials)
	}
}
