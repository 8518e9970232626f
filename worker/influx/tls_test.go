package influx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	der, key := a.sign(t, &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.key = key
	a.cert, _ = x509.ParseCertificate(der)
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// sign signs a certificate, by itself if there is no authority yet.
func (a *authority) sign(t *testing.T, c *x509.Certificate) (der []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<60))
	c.Subject = pkix.Name{CommonName: t.Name()}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	if der, err = x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer); err != nil {
		t.Fatal(err)
	}
	return der, key
}

// issue writes a certificate for use and its key to files.
func (a *authority) issue(
	t *testing.T, dir string, use x509.ExtKeyUsage,
) (certFile, keyFile string) {
	t.Helper()
	der, key := a.sign(t, &x509.Certificate{
		ExtKeyUsage: []x509.ExtKeyUsage{use}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", private)
	return certFile, keyFile
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A private authority signed InfluxDB's certificate, and InfluxDB asks for the worker's.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	certFile, keyFile := ours.issue(t, t.TempDir(), x509.ExtKeyUsageServerAuth)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
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
	clients.AddCert(ours.cert)
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: clients,
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()

	dir := t.TempDir()
	certFile, keyFile = ours.issue(t, dir, x509.ExtKeyUsageClientAuth)
	write := func(ca, cert, key, want string) *Client {
		t.Helper()
		client := connectTo(t, server.URL, func(c *Config) {
			c.CAFile, c.CertFile, c.KeyFile = ca, cert, key
		})
		err := client.Write(t.Context(), []byte("m f=1"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		return client
	}
	write("", certFile, keyFile, "signed by unknown authority")
	write(theirs.file, certFile, keyFile, "signed by unknown authority")
	write(ours.file, "", "", "InfluxDB does not answer")
	foreignCert, foreignKey := theirs.issue(t, t.TempDir(), x509.ExtKeyUsageClientAuth)
	write(ours.file, foreignCert, foreignKey, "InfluxDB does not answer")
	client := write(ours.file, certFile, keyFile, "")

	// The certificate is renewed while the worker runs.
	ours.issue(t, dir, x509.ExtKeyUsageClientAuth)
	client.Close()
	if err := client.Write(t.Context(), []byte("m f=1")); err != nil {
		t.Error(err)
	}
	if len(serials) != 2 || serials[0] == serials[1] {
		t.Errorf("the certificates used are %v", serials)
	}
}
