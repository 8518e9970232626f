// Package access is how programs reach InfluxDB: where it is, and with which certificates, told by
// the same variables everywhere. Tokens are not in it, since each program has its own.
package access

import (
	"errors"
	"net/http"
	"net/url"

	"colorstream/generator/certs"
	"colorstream/generator/service"
)

// Config is where InfluxDB is, as every program is told it.
type Config struct {
	URL    string `env:"INFLUX_URL" envDefault:"http://localhost:8086" help:"where InfluxDB 2 is"`
	Org    string `env:"INFLUX_ORG" envDefault:"colors" help:"organisation"`
	Bucket string `env:"INFLUX_BUCKET" envDefault:"color_data" help:"bucket of the points"`
	CA     string `env:"INFLUX_CA_FILE" help:"with https://: file of the authorities that may have signed InfluxDB's certificate; unset: the system's"`
	Cert   string `env:"INFLUX_CERT_FILE" help:"with https://: file of the program's own certificate"`
	Key    string `env:"INFLUX_KEY_FILE" help:"with https://: file of its key"`
}

func (c Config) files() certs.Files { return certs.Files{CA: c.CA, Cert: c.Cert, Key: c.Key} }

// Validate checks the URL and reads the files of the certificates.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return service.Invalid("INFLUX_URL", "", "is not a URL") // the text may hold a password
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" ||
		u.Fragment != "" {
		return service.Invalid("INFLUX_URL", u.Redacted(),
			"is not an address such as http://localhost:8086")
	}
	if u.Scheme == "http" && c.files() != (certs.Files{}) {
		return errors.New("INFLUX_CA_FILE, INFLUX_CERT_FILE and INFLUX_KEY_FILE need an INFLUX_URL " +
			"with TLS (https://)")
	}
	_, err = c.files().Config("INFLUX")
	return err
}

// A Transport sends requests to InfluxDB. An error about a certificate names the variable and its
// file.
type Transport struct {
	*http.Transport
	files certs.Files
}

// Transport makes base use the certificates. Its error names the variable that is wrong.
func (c Config) Transport(base *http.Transport) (*Transport, error) {
	var err error
	base.TLSClientConfig, err = c.files().Config("INFLUX")
	return &Transport{base, c.files()}, err
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.Transport.RoundTrip(r)
	return answer, t.files.Explain("INFLUX", err)
}
