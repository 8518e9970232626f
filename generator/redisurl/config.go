package redisurl

import (
	"crypto/tls"
	"errors"
	"fmt"

	"colorstream/generator/certs"
)

// Config is where Redis is, as every program is told it.
type Config struct {
	URL  string `env:"REDIS_URL" envDefault:"redis://localhost:6379/0" secret:"true" help:"where Redis is: redis://[user:password@]host:port/database, rediss:// with TLS; ?addr=host:port for a cluster, ?master_name= for sentinels"`
	CA   string `env:"REDIS_CA_FILE" help:"with rediss://: file of the authorities that may have signed Redis's certificate; unset: the system's"`
	Cert string `env:"REDIS_CERT_FILE" help:"with rediss://: file of the program's own certificate"`
	Key  string `env:"REDIS_KEY_FILE" help:"with rediss://: file of its key"`
}

// Target is what the variables say. Its error names the one that is wrong, and holds no password.
func (c Config) Target() (Target, error) {
	t, err := Parse(c.URL)
	if err != nil {
		const like = "redis://[user:password@]host:port/database"
		return t, fmt.Errorf("REDIS_URL: is not a Redis URL (%s): %w", like, err)
	}
	if c == (Config{URL: c.URL}) {
		return t, nil
	}
	files, err := certs.Files{CA: c.CA, Cert: c.Cert, Key: c.Key}.Config("REDIS")
	if err != nil {
		return t, err
	}
	ok := t.Secure(func(o *tls.Config) {
		o.RootCAs, o.GetClientCertificate = files.RootCAs, files.GetClientCertificate
	})
	if !ok {
		return t, errors.New("REDIS_CA_FILE, REDIS_CERT_FILE and REDIS_KEY_FILE need a REDIS_URL " +
			"with TLS (rediss://)")
	}
	return t, nil
}
