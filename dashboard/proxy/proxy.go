// Package proxy lets anonymous browsers see the panels of one Grafana dashboard at Grafana's own paths on our
// origin, and nothing else of Grafana.
//
// It is an allow-list. A request is first refused if its form is unusual (package file refuse.go), then looked up
// in a table (rules.go) that says for every method and path whether it is passed to Grafana, answered here or
// denied; what the table does not know is denied, logged once and never reaches Grafana. What passes is rebuilt:
// only listed headers and checked parameters go up, so that a browser that is also logged in to Grafana (cookies
// do not know ports) is an anonymous viewer here; only listed headers come back, so that no cookie, login prompt,
// redirect or framing rule of Grafana acts on our origin.
//
// A POST of /api/ds/query passes only if each of its queries is, character by character, one that the dashboard
// shows now; the proxy keeps those current by reading the dashboard every Config.Refresh and whenever an unknown
// query arrives. The body that goes up is written anew from the checked values, so that Grafana's reading of it
// cannot differ from ours.
//
// What many browsers ask at once is asked once: equal asset requests share one transfer and a bounded memory
// cache, and equal queries share one answer. For that a query's range is widened to whole seconds (at most one
// second more on either side than was asked for), its maxDataPoints is rounded up to a multiple of 100, and an
// answer is kept for one second. A hundred open panels of about one size therefore cost Grafana and InfluxDB at
// most one query a second for each statistic and time range in use, however many browsers there are.
//
// Assumptions: Grafana 9.4 or newer that allows anonymous viewers, not under a sub-path; the dashboard is in the
// root folder, stored in the classic schema, and its panels use neither template variables nor library panels.
// The proxy does no authentication of its own and does not limit requests by address.
//
// Limits are in Config and Limits; each has a default.
package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Proxy answers every request that is not for one of the page's own paths. Make one with New, and call Run.
type Proxy struct {
	log      *slog.Logger
	cfg      Config
	rules    []rule
	reverse  *httputil.ReverseProxy
	upstream *upstream
	watch    *watch
	metrics  *metrics
	unknown  *once
	active   atomic.Int64 // requests being answered
}

// New makes a proxy for one dashboard. It asks nothing of Grafana before Run.
func New(log *slog.Logger, cfg Config, registerer prometheus.Registerer) (*Proxy, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	m := newMetrics(registerer)
	up := newUpstream(cfg, m)
	p := &Proxy{
		log: log, cfg: cfg, rules: compile(cfg.DashboardUID), upstream: up, metrics: m,
		watch:   newWatch(log, cfg.Refresh, newReader(cfg, up.transport).read),
		unknown: newOnce(256),
	}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      up,
		FlushInterval:  -1,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ModifyResponse: p.modifyResponse,
		ErrorHandler:   p.upstreamFailed,
	}
	return p, nil
}

// Run keeps the permitted queries and the state current until ctx ends, then ends the requests to Grafana that are
// under way and waits for those that browsers share. It is called once.
func (p *Proxy) Run(ctx context.Context) error {
	p.watch.run(ctx)
	p.upstream.close()
	return nil
}

// State tells whether Grafana answers and has the dashboard. It is cheap, and safe for concurrent use.
func (p *Proxy) State() State { return p.watch.current() }

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer p.active.Add(-1)
	if p.active.Add(1) > int64(p.cfg.Limits.Requests) {
		p.upstreamFailed(w, r, errBusy)
		return
	}
	answer := p.decide(w, r)
	switch answer.decision {
	case pass:
		p.forward(w, r, answer)
	default:
		p.metrics.requests.WithLabelValues(answer.label()).Inc()
		answer.write(w, r)
	}
}

// decide judges one request. It is here that everything is denied unless a rule says otherwise.
func (p *Proxy) decide(w http.ResponseWriter, r *http.Request) answer {
	if refused := refuse(r); refused != nil {
		return *refused
	}
	rule, methods := match(p.rules, r.Method, r.URL.Path)
	switch {
	case rule == nil && methods != "":
		return deny(http.StatusMethodNotAllowed, "method not allowed").with("Allow", methods)
	case rule == nil:
		if p.unknown.first(r.Method + " " + r.URL.Path) {
			p.log.Info("denied a request that the proxy's table does not know (said once)",
				"method", clip(r.Method, 20), "path", clip(r.URL.Path, 200))
		}
		return notFound()
	case rule.decision == denied:
		return notFound()
	case rule.decision == here:
		return answer{decision: here, status: rule.status, contentType: "application/json", body: rule.body}
	}
	passed := answer{decision: pass, rule: rule}
	switch rule.check {
	case checkSolo:
		query, err := soloQuery(r.URL.RawQuery, p.cfg.PanelIDs)
		if err != nil {
			return deny(http.StatusForbidden, err.Error())
		}
		passed.query = query
	case checkBody:
		body, refused := p.checkedBody(w, r)
		if refused != nil {
			return *refused
		}
		passed.sent = body
	}
	return passed
}

// forward sends what decide let pass to Grafana.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, a answer) {
	// The server takes the deadline back when the request is over. A test's recorder has none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.cfg.Limits.ResponseTime))
	exchange := &exchange{answer: a, label: labelPass}
	whole := false // httputil.ReverseProxy panics with http.ErrAbortHandler when an answer breaks off
	defer func() {
		if !whole {
			exchange.label = labelFailed
		}
		p.metrics.requests.WithLabelValues(exchange.label).Inc()
	}()
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, exchange)))
	whole = true
}
