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

// readTime bounds one read of the dashboard; with limits.Refresh it decides how soon an outage is
// known.
const readTime = 1200 * time.Millisecond

// refresh reads the dashboard again and again until ctx ends. One failure alone tells nothing: the
// second in a row counts.
func (p *Proxy) refresh(ctx context.Context, read func(context.Context) (*dashboard, error)) {
	failures, reason := 0, ""
	for ctx.Err() == nil {
		pause := p.cfg.limits.Refresh
		d, err := read(ctx)
		if err == nil {
			if p.dashboard.Load().panels == nil {
				p.log.Info("Grafana shows the dashboard", "panels", d.panels, "queries", len(d.targets))
			}
			failures, reason = 0, ""
			p.dashboard.Store(d)
		} else if failures++; failures == 1 {
			pause = 0
		} else {
			p.dashboard.Store(new(dashboard)) // a dashboard that is gone permits nothing
			if reason != err.Error() && ctx.Err() == nil {
				reason = err.Error()
				p.log.Warn("Grafana does not show the dashboard", "reason", err)
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// Check reads the dashboard. Its error is a reason that a user of the page can act on.
func (p *Proxy) Check(ctx context.Context) error {
	_, err := p.readDashboard(ctx)
	return err
}

// readDashboard asks Grafana anonymously, as a browser would.
func (p *Proxy) readDashboard(ctx context.Context) (*dashboard, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	grafana, uid := p.cfg.Upstream, p.cfg.DashboardUID
	address := grafana.JoinPath("/api/dashboards/uid", uid).String()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("ask Grafana for the dashboard: %w", err)
	}
	request.Header.Set("User-Agent", "colorstream-dashboard")
	response, err := p.transport.RoundTrip(request)
	if isTimeout(err) {
		return nil, fmt.Errorf("no answer from Grafana at %s within %v", grafana, readTime)
	}
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // the address is said already
		}
		return nil, fmt.Errorf("no answer from Grafana at %s: %w", grafana, err)
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusNotFound:
		return nil, fmt.Errorf("no dashboard with uid %q in Grafana at %s", uid, grafana)
	case code == http.StatusNotAcceptable: // 12 and later
		return nil, errNotClassic
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code >= 300 && code < 400:
		return nil, fmt.Errorf("anonymous viewers may not see the dashboard of Grafana at %s (it answers %d): "+
			"set GF_AUTH_ANONYMOUS_ENABLED=true there", grafana, code)
	default:
		return nil, fmt.Errorf("an error from Grafana at %s: status %d", grafana, code)
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, p.cfg.limits.ResponseBytes))
	if err != nil {
		return nil, fmt.Errorf("a broken answer from Grafana at %s: %w", grafana, err)
	}
	d, err := parseDashboard(data, p.cfg.DataSourceUID)
	if err == nil && len(d.panels) == 0 {
		err = fmt.Errorf("none of the panels %v in Grafana's dashboard %q", panels, uid)
	}
	return d, err
}
