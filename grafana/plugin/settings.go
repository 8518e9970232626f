package main

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
func readSettings(
	from backend.DataSourceInstanceSettings,
) (set redis.Config, limits window.Config, err error) {
	var in stored
	if len(from.JSONData) > 0 {
		if err := json.Unmarshal(from.JSONData, &in); err != nil {
			return set, limits, fmt.Errorf("the settings are not understood: %w", err)
		}
	}
	secret := from.DecryptedSecureJSONData
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	duration := func(name, text string, otherwise, least time.Duration) time.Duration {
		if text == "" {
			return otherwise
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < least || d > 24*time.Hour {
			wrong("the %s is %q: it must be a time like 5s, from %v to 24h", name, text, least)
		}
		return d
	}
	limits.Width = duration("window", in.Window, defaultWindow, 10*time.Millisecond)
	limits.Lateness = duration("lateness", in.Lateness, limits.Width, 0)
	limits.Statistics = series.DefaultStatistics()
	if list := strings.TrimSpace(in.Statistics); list != "" {
		if err := limits.Statistics.UnmarshalText([]byte(list)); err != nil {
			wrong("the statistics are %q: %w", list, err)
		}
	}
	if !slices.Contains([]string{"", "pubsub", "stream"}, in.Transport) {
		wrong("the transport is %q: it must be pubsub or stream", in.Transport)
	}
	change, err := readTLS(secret, in.TLSSkipVerify)
	if err != nil {
		errs = append(errs, err)
	}
	return redis.Config{
		Redis: redisurl.Config{
			URL: cmp.Or(secret["url"], from.URL, defaultURL), CA: in.CA, Cert: in.Cert, Key: in.Key,
		},
		Channel: cmp.Or(in.Channel, defaultChannel), Password: secret["password"],
		Stream: in.Transport == "stream", Width: limits.Width, TLS: change,
	}, limits, errors.Join(errs...)
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
