package certs_test

import (
	"errors"
	"net"
	"testing"

	"colorstream/generator/certs"
)

// What the other side says about the program's certificate names that; what is not about a
// certificate stays as it is.
func TestExplain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"tls: certificate required": `INFLUX_CERT_FILE="c.pem": the certificate is rejected: ` +
			"remote error: tls: certificate required",
		"tls: protocol version not supported": "remote error: tls: protocol version not supported",
	} {
		err := &net.OpError{Op: "remote error", Err: errors.New(text)}
		if got := (certs.Files{Cert: "c.pem"}).Explain("INFLUX", err).Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if err := (certs.Files{}).Explain("INFLUX", nil); err != nil {
		t.Error(err)
	}
}
