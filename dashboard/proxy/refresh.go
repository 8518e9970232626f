package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A refresher knows the dashboard as it is now. It asks Grafana anonymously, as a browser would.
type refresher struct {
	log     *slog.Logger
	read    func() (*dashboard, error)
	every   time.Duration
	reading chan struct{} // held by who reads the dashboard; guards the next
	began   time.Time     // the newest read

	mu        sync.Mutex
	failures  int        // in a row
	reason    string     // of the failures, as it was logged
	dashboard *dashboard // without a panel while it is not available; nobody changes it
}

const (
	// readTime bounds one read of the dashboard; with limits.Refresh it decides how soon an outage is
	// known.
	readTime = 1200 * time.Millisecond
	// gapTime is the least time between the beginnings of two reads, whoever asks.
	gapTime = 500 * time.Millisecond
)

func newRefresher(
	log *slog.Logger, every time.Duration, read func() (*dashboard, error),
) *refresher {
	return &refresher{
		log: log, read: read, every: every, reading: make(chan struct{}, 1), dashboard: new(dashboard),
	}
}

// Panels returns which of the configured panels Grafana has now, in ascending order, none if it
// does not answer. The revision changes when the dashboard has been edited: a panel that was loaded
// under another one asks for queries that may be gone. It is cheap, and safe for concurrent use.
func (f *refresher) Panels() (list []int, revision string) {
	d := f.current()
	return slices.Clone(d.panels), d.revision
}

func (f *refresher) current() *dashboard {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dashboard
}

// run reads the dashboard until ctx ends.
func (f *refresher) run(ctx context.Context) {
	for ctx.Err() == nil {
		f.refresh()
		pause := f.every
		f.mu.Lock()
		if f.failures == 1 { // the second in a row counts
			pause = 0
		}
		f.mu.Unlock()
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// refresh returns when a read of the dashboard that began after the call has ended, whoever does
// it.
func (f *refresher) refresh() {
	called := time.Now()
	f.reading <- struct{}{}
	defer func() { <-f.reading }()
	if f.began.After(called) {
		return
	}
	time.Sleep(time.Until(f.began.Add(gapTime)))
	f.began = time.Now()
	d, err := f.read()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil && f.dashboard.panels == nil:
		f.log.Info("Grafana shows the dashboard", "panels", d.panels, "queries", len(d.targets))
		fallthrough
	case err == nil:
		f.failures, f.reason, f.dashboard = 0, "", d
		return
	}
	if f.failures++; f.failures == 1 {
		return // one failure alone tells nothing
	}
	f.dashboard = new(dashboard) // a dashboard that is gone permits nothing
	if f.reason != err.Error() {
		f.reason = err.Error()
		f.log.Warn("Grafana does not show the dashboard", "reason", err)
	}
}

// Check reads the dashboard. Its error is a reason that a user of the page can act on.
func (p *Proxy) Check() error {
	_, err := p.readDashboard()
	return err
}

func (p *Proxy) readDashboard() (*dashboard, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
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
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("a broken answer from Grafana at %s: %w", grafana, err)
	}
	d, err := parseDashboard(data, p.cfg.DataSourceUID)
	if err == nil && len(d.panels) == 0 {
		err = fmt.Errorf("none of the panels %v in Grafana's dashboard %q", panels, uid)
	}
	return d, err
}
