// Package certs makes TLS settings of files in PEM form, in one way for all programs and servers.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// ErrRejected is a certificate that one side does not accept: to try again is of no use.
var ErrRejected = errors.New("the certificate is rejected")

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

// Explain names the variable and its file in a connection's error about a certificate. Other errors
// it returns as they are.
func (f Files) Explain(server string, err error) error {
	variable, file := server+"_CA_FILE", f.CA
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		variable, file = server+"_CERT_FILE", f.Cert
		alert, ok := errors.AsType[*net.OpError](err)
		if !ok || alert.Op != "remote error" || !strings.Contains(alert.Error(), "certificate") {
			return err
		}
	}
	if file == "" {
		return fmt.Errorf("%s is not set: %w: %w", variable, ErrRejected, err)
	}
	return fmt.Errorf("%s=%q: %w: %w", variable, file, ErrRejected, err)
}
