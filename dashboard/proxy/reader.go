package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
		return nil, fmt.Errorf("no dashboard with uid %q in Grafana at %s", r.cfg.DashboardUID, r.cfg.Upstream)
	}
	if err != nil {
		return nil, err
	}
	b, err := parseBoard(data, r.cfg.PanelIDs, r.cfg.DataSourceUID)
	if err != nil {
		return nil, err
	}
	if missing := b.missing(r.cfg.PanelIDs); len(missing) == len(r.cfg.PanelIDs) {
		return nil, fmt.Errorf("none of the panels %v in Grafana's dashboard %q", missing, r.cfg.DashboardUID)
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
			return nil, fmt.Errorf("no answer from Grafana at %s within %v", r.cfg.Upstream, readTime)
		}
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // the address is said already
		}
		return nil, fmt.Errorf("no answer from Grafana at %s: %w", r.cfg.Upstream, err)
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusNotFound, code == http.StatusGone, code == http.StatusNotAcceptable:
		return nil, errAbsent
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code >= 300 && code < 400:
		return nil, fmt.Errorf("anonymous viewers may not see the dashboard of Grafana at %s (it answers %d): "+
			"set GF_AUTH_ANONYMOUS_ENABLED=true there", r.cfg.Upstream, code)
	default:
		return nil, fmt.Errorf("an error from Grafana at %s: status %d", r.cfg.Upstream, code)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBoardBytes+1))
	if err != nil {
		return nil, fmt.Errorf("a broken answer from Grafana at %s: %w", r.cfg.Upstream, err)
	}
	if len(data) > maxBoardBytes {
		return nil, fmt.Errorf("more than %d bytes in Grafana's dashboard %q", maxBoardBytes, r.cfg.DashboardUID)
	}
	return data, nil
}
