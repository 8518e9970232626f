package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// A State tells whether the panels can be shown.
type State struct {
	// Available holds if Grafana answers and has the dashboard with at least one of the panels.
	Available bool
	// Since is when Available last changed.
	Since time.Time
	// Reason says, for users, why it is not available. It is empty when it is.
	Reason string
	// Panels and Revision are those of the last read that succeeded.
	//
	// Panels are the configured panels that the dashboard has, in ascending order. Do not change the
	// slice.
	Panels []int
	// Revision changes when the dashboard has been edited. A panel that was loaded under another
	// revision asks for queries that may be gone: load it again.
	Revision string
}

// A refresher knows the dashboard as it is now. It asks Grafana anonymously, as a browser would.
type refresher struct {
	log       *slog.Logger
	cfg       Config
	transport *http.Transport
	read      func(context.Context) (*dashboard, error) // readDashboard

	reading chan struct{} // held by who reads the dashboard; guards the next two
	path    string        // the address that answered last, tried first
	began   time.Time     // the newest read

	mu        sync.Mutex
	failures  int // in a row
	state     State
	dashboard *dashboard // nil while it is not available
}

const (
	// readTime bounds one read of the dashboard; with limits.Refresh it decides how soon an outage is
	// known.
	readTime = 1200 * time.Millisecond
	// gapTime is the least time between the beginnings of two reads, whoever asks.
	gapTime      = 500 * time.Millisecond
	maxDashboard = 16 << 20 // bytes
)

func newRefresher(log *slog.Logger, cfg Config, transport *http.Transport) *refresher {
	f := &refresher{
		log: log, cfg: cfg, transport: transport, reading: make(chan struct{}, 1), path: addresses[0],
		state: State{Since: time.Now(), Reason: "Grafana has not been asked yet"},
	}
	f.read = f.readDashboard
	return f
}

// State tells whether Grafana answers and has the dashboard. It is cheap, and safe for concurrent
// use.
func (f *refresher) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// permitted returns what may be asked now. Nobody changes it.
func (f *refresher) permitted() permitted {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dashboard == nil {
		return permitted{}
	}
	return f.dashboard.permitted
}

// run reads the dashboard until ctx ends.
func (f *refresher) run(ctx context.Context) {
	for ctx.Err() == nil {
		f.refresh(ctx)
		pause := time.NewTimer(f.cfg.limits.Refresh)
		f.mu.Lock()
		if f.failures == 1 { // the second in a row counts
			pause.Reset(0)
		}
		f.mu.Unlock()
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// refresh returns when a read of the dashboard that began after the call has ended, whoever does
// it.
func (f *refresher) refresh(ctx context.Context) {
	called := time.Now()
	select {
	case f.reading <- struct{}{}:
		defer func() { <-f.reading }()
	case <-ctx.Done():
		return
	}
	if f.began.After(called) {
		return
	}
	select {
	case <-time.After(time.Until(f.began.Add(gapTime))):
	case <-ctx.Done():
		return
	}
	f.began = time.Now()
	// Others wait for this read, too: who began it may leave.
	reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTime)
	defer cancel()
	d, err := f.read(reading)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.failed(err.Error())
		return
	}
	f.failures = 0
	if !f.state.Available {
		f.log.Info("Grafana shows the dashboard", "panels", d.panels, "queries", len(d.targets))
		f.state.Available, f.state.Since, f.state.Reason = true, time.Now(), ""
	}
	f.state.Panels, f.state.Revision = d.panels, d.revision()
	f.dashboard = d
}

// failed notes a read that failed. One failure alone tells nothing.
func (f *refresher) failed(reason string) {
	if f.failures++; f.failures == 1 {
		return
	}
	if f.state.Available {
		f.state.Available, f.state.Since = false, time.Now()
	}
	if f.state.Reason != reason {
		f.log.Warn("Grafana does not show the dashboard", "reason", reason)
	}
	f.state.Reason = reason
	f.dashboard = nil // a dashboard that is gone permits nothing
}

// addresses are those of a dashboard: of Grafana up to 11, and of later ones, which of them depends
// on the version.
var addresses = []string{
	"/api/dashboards/uid/",
	"/apis/dashboard.grafana.app/v1/namespaces/default/dashboards/",
	"/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/",
	"/apis/dashboard.grafana.app/v0alpha1/namespaces/default/dashboards/",
}

// errAbsent is an address that Grafana does not know.
var errAbsent = errors.New("not found")

// readDashboard reads the dashboard. Its errors are reasons that a user of the page can act on.
func (f *refresher) readDashboard(ctx context.Context) (*dashboard, error) {
	data, err := f.get(ctx, f.path)
	last := f.path
	for i := 0; i < len(addresses) && errors.Is(err, errAbsent); i++ {
		if addresses[i] != last {
			f.path = addresses[i]
			data, err = f.get(ctx, f.path)
		}
	}
	if errors.Is(err, errAbsent) {
		return nil, fmt.Errorf("no dashboard with uid %q in Grafana at %s",
			f.cfg.DashboardUID, f.cfg.Upstream)
	}
	if err != nil {
		return nil, err
	}
	d, err := parseDashboard(data, f.cfg.DataSourceUID)
	if err != nil {
		return nil, err
	}
	if len(d.panels) == 0 {
		return nil, fmt.Errorf("none of the panels %v in Grafana's dashboard %q",
			panels, f.cfg.DashboardUID)
	}
	return d, nil
}

func (f *refresher) get(ctx context.Context, path string) ([]byte, error) {
	address := f.cfg.Upstream.JoinPath(path, f.cfg.DashboardUID).String()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("ask Grafana for the dashboard: %w", err)
	}
	request.Header.Set("User-Agent", "colorstream-dashboard")
	request.Header.Set("Accept", "application/json")
	response, err := f.transport.RoundTrip(request)
	if err != nil {
		if isTimeout(err) {
			return nil, fmt.Errorf("no answer from Grafana at %s within %v", f.cfg.Upstream, readTime)
		}
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // the address is said already
		}
		return nil, fmt.Errorf("no answer from Grafana at %s: %w", f.cfg.Upstream, err)
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusNotFound, code == http.StatusGone, code == http.StatusNotAcceptable:
		return nil, errAbsent
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code >= 300 && code < 400:
		return nil, fmt.Errorf("anonymous viewers may not see the dashboard of Grafana at %s (it answers %d): "+
			"set GF_AUTH_ANONYMOUS_ENABLED=true there", f.cfg.Upstream, code)
	default:
		return nil, fmt.Errorf("an error from Grafana at %s: status %d", f.cfg.Upstream, code)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxDashboard+1))
	if err != nil {
		return nil, fmt.Errorf("a broken answer from Grafana at %s: %w", f.cfg.Upstream, err)
	}
	if len(data) > maxDashboard {
		return nil, fmt.Errorf("more than %d bytes in Grafana's dashboard %q",
			maxDashboard, f.cfg.DashboardUID)
	}
	return data, nil
}
