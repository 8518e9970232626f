package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A reader asks Grafana for the dashboard, anonymously, as a browser would.
type reader struct {
	cfg       Config
	transport http.RoundTripper
	path      string // the address that answered last, tried first
}

const (
	// readTime bounds one look at the dashboard; with Config.Refresh it decides how soon an outage is known.
	readTime       = 1200 * time.Millisecond
	maxBoardBytes  = 16 << 20
	classicAddress = "/api/dashboards/uid/"
)

// newerAddresses are those of Grafana 12 and later; which of them exist depends on its version.
var newerAddresses = []string{
	"/apis/dashboard.grafana.app/v1/namespaces/default/dashboards/",
	"/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/",
	"/apis/dashboard.grafana.app/v0alpha1/namespaces/default/dashboards/",
}

func newReader(cfg Config, transport http.RoundTripper) *reader {
	return &reader{cfg: cfg, transport: transport, path: classicAddress}
}

// errAbsent is an address that Grafana does not know.
var errAbsent = errors.New("not found")

// read looks at the dashboard. Its errors are reasons that a user of the page can act on. It is not safe for
// concurrent use.
func (r *reader) read(ctx context.Context) (*board, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	data, err := r.get(ctx, r.path)
	if errors.Is(err, errAbsent) {
		for _, path := range append([]string{classicAddress}, newerAddresses...) {
			if path == r.path {
				continue
			}
			if data, err = r.get(ctx, path); !errors.Is(err, errAbsent) {
				r.path = path
				break
			}
		}
	}
	if errors.Is(err, errAbsent) {
		return nil, fmt.Errorf("Grafana has no dashboard with uid %q", r.cfg.DashboardUID)
	}
	if err != nil {
		return nil, err
	}
	b, err := parseBoard(data, r.cfg.PanelIDs, r.cfg.DataSourceUID)
	if err != nil {
		return nil, err
	}
	if missing := b.missing(r.cfg.PanelIDs); len(missing) == len(r.cfg.PanelIDs) {
		return nil, fmt.Errorf("Grafana's dashboard %q has none of the panels %v", r.cfg.DashboardUID, missing)
	}
	return b, nil
}

func (r *reader) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.cfg.Upstream.JoinPath(path, r.cfg.DashboardUID).String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask Grafana for the dashboard: %w", err)
	}
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Accept", "application/json")
	response, err := r.transport.RoundTrip(request)
	if err != nil {
		if isTimeout(err) {
			return nil, fmt.Errorf("Grafana at %s does not answer within %v", r.cfg.Upstream, readTime)
		}
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return nil, fmt.Errorf("Grafana at %s does not answer: %w", r.cfg.Upstream, err)
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusNotFound, code == http.StatusGone, code == http.StatusNotAcceptable:
		return nil, errAbsent
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code >= 300 && code < 400:
		return nil, fmt.Errorf("Grafana at %s does not let anonymous viewers see the dashboard (it answers %d): "+
			"set GF_AUTH_ANONYMOUS_ENABLED=true there", r.cfg.Upstream, code)
	default:
		return nil, fmt.Errorf("Grafana at %s answers %d", r.cfg.Upstream, code)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBoardBytes+1))
	if err != nil {
		return nil, fmt.Errorf("Grafana at %s broke off its answer: %w", r.cfg.Upstream, err)
	}
	if len(data) > maxBoardBytes {
		return nil, fmt.Errorf("Grafana's dashboard %q is larger than %d bytes", r.cfg.DashboardUID, maxBoardBytes)
	}
	return data, nil
}
