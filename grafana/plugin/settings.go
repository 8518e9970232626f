package main

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"

	"colorstream/generator/redisurl"
	"colorstream/grafana/plugin/redis"
	"colorstream/influxdb/series"
	"colorstream/worker/window"
)

// What is not set means what the generator and the worker take for their variables.
const (
	defaultURL     = "redis://localhost:6379/0"
	defaultChannel = "colors"
	defaultWindow  = 5 * time.Second
)

// settings are a data source's.
type settings struct {
	redis  redis.Config
	limits window.Config
}

// stored is how Grafana keeps what is no secret.
type stored struct {
	Channel       string `json:"channel"`
	Transport     string `json:"transport"`
	Window        string `json:"window"`
	Lateness      string `json:"lateness"`
	Statistics    string `json:"statistics"`
	TLSSkipVerify bool   `json:"tlsSkipVerify"`
	// Files in PEM form, for those who provision the source.
	CA   string `json:"caFile"`
	Cert string `json:"certFile"`
	Key  string `json:"keyFile"`
}

// readSettings reads a data source's settings. All that is wrong is in the error, and no secret.
//
// Secrets are password, tlsCACert, tlsClientCert and tlsClientKey, all as PEM but the first, and
// url: a whole URL, in place of the open one, for one that holds a password.
func readSettings(from backend.DataSourceInstanceSettings) (settings, error) {
	var in stored
	if len(from.JSONData) > 0 {
		if err := json.Unmarshal(from.JSONData, &in); err != nil {
			return settings{}, fmt.Errorf("the settings are not understood: %w", err)
		}
	}
	secret := from.DecryptedSecureJSONData
	var errs []error
	duration := func(name, text string, otherwise, least time.Duration) time.Duration {
		if text == "" {
			return otherwise
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < least || d > 24*time.Hour {
			errs = append(errs, fmt.Errorf("the %s is %q: it must be a time like 5s, from %v to 24h", name, text, least))
		}
		return d
	}
	s := settings{
		redis: redis.Config{
			Redis: redisurl.Config{
				URL: cmp.Or(secret["url"], from.URL, defaultURL), CA: in.CA, Cert: in.Cert, Key: in.Key,
			},
			Channel: cmp.Or(in.Channel, defaultChannel), Password: secret["password"],
		},
	}
	s.limits.Width = duration("window", in.Window, defaultWindow, 10*time.Millisecond)
	s.limits.Lateness = duration("lateness", in.Lateness, s.limits.Width, 0)
	s.limits.Statistics = series.DefaultStatistics()
	if list := strings.TrimSpace(in.Statistics); list != "" {
		if err := s.limits.Statistics.UnmarshalText([]byte(list)); err != nil {
			errs = append(errs, fmt.Errorf("the statistics are %q: %w", list, err))
		}
	}
	switch in.Transport {
	case "", "pubsub":
	case "stream":
		s.redis.Stream = true
	default:
		errs = append(errs, fmt.Errorf("the transport is %q: it must be pubsub or stream", in.Transport))
	}
	s.redis.Width = s.limits.Width
	change, err := readTLS(secret, in.TLSSkipVerify)
	if err != nil {
		errs = append(errs, err)
	}
	s.redis.TLS = change
	return s, errors.Join(errs...)
}

// readTLS reads the certificates, and gives what they change.
func readTLS(secret map[string]string, skip bool) (func(*tls.Config), error) {
	options := httpclient.TLSOptions{
		CACertificate: secret["tlsCACert"], InsecureSkipVerify: skip,
		ClientCertificate: secret["tlsClientCert"], ClientKey: secret["tlsClientKey"],
	}
	if (options.ClientCertificate == "") != (options.ClientKey == "") {
		return nil, errors.New("the client's certificate and its key belong together: give both")
	}
	from, err := httpclient.GetTLSConfig(httpclient.Options{TLS: &options})
	if err != nil {
		return nil, fmt.Errorf("the certificates: %w", err)
	}
	return func(to *tls.Config) {
		to.InsecureSkipVerify = skip
		if from.RootCAs != nil { // else those of a file
			to.RootCAs = from.RootCAs
		}
		to.Certificates = from.Certificates
	}, nil
}
