// Package certs makes TLS settings of files in PEM form, in one way for all programs and servers.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Files are what a server's variables name. Each may be empty.
type Files struct {
	CA   string // authorities that may have signed the server's certificate, not the system's
	Cert string // the program's own certificate
	Key  string // its key
}

// Config reads the files. The program's certificate is read again at each connection, so that a
// renewed one is used. Errors name the variables: server is REDIS for REDIS_CA_FILE.
func (f Files) Config(server string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("%s_CA_FILE: %w", server, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s_CA_FILE=%q: no certificate in PEM form", server, f.CA)
		}
	}
	if f.Cert == "" && f.Key == "" {
		return c, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			err = fmt.Errorf("%s_CERT_FILE=%q, %s_KEY_FILE=%q: %w",
				server, f.Cert, server, f.Key, err)
		}
		return &pair, err
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return load()
	}
	return c, nil
}
