// Package proxy lets anonymous browsers see the panels of one Grafana dashboard at Grafana's own
// paths on our origin, and nothing else of Grafana.
//
// It is an allow-list. A request of unusual form is rejected (request.go), then a table (table.go)
// says for every method and path whether it is passed to Grafana or answered here; what the table
// does not know is denied and never reaches Grafana. What passes is made anew
// (upstream.go): only listed headers and checked parameters go up, so that a browser that is also
// logged in to Grafana (cookies do not know ports) is an anonymous viewer here; only listed headers
// come back, so that no cookie, login prompt, redirect or framing rule of Grafana acts on our
// origin.
//
// A POST of /api/ds/query passes only if each of its queries is, character by character, one that
// the shown panels have now (query.go); the proxy keeps those current by reading the dashboard
// every two seconds and whenever an unknown query arrives (refresh.go). The body that goes up is
// written anew from the checked values, so that Grafana's reading of it cannot differ from ours.
// Queries of the dashboard's variables and annotations, which the panels do not need, are answered
// here with nothing.
//
// Each reader has a share of the requests that may be under way (limiter.go). Nothing is cached or
// shared: browsers keep Grafana's assets themselves.
//
// Under a path prefix (Config.Prefix) the panel's document is changed to name it, so that Grafana
// itself needs no sub-path.
//
// Assumptions: Grafana 9.4 to 13 that allows anonymous viewers, not under a sub-path; the
// dashboard is in the root folder, stored in the classic schema, and its shown panels use neither
// template variables nor library panels. The proxy does no authentication of its own.
package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Config tells what is shown, and to whom.
type Config struct {
	// Upstream is Grafana's address: http or https and a host, nothing else.
	Upstream *url.URL
	// DashboardUID and DataSourceUID name the dashboard and the one InfluxDB data source that may be
	// queried. Both consist of letters, digits, - and _.
	DashboardUID, DataSourceUID string
	// TrustProxy tells that all requests come through a proxy that sets or removes X-Forwarded-For and
	// X-Forwarded-User. The readers' shares are then of those that these name.
	TrustProxy bool
	// Prefix returns the path under which a request's sender sees the page, such as /colors or "", and
	// which the request's URL.Path no longer has.
	Prefix func(*http.Request) string

	limits *limits // nil: the default ones
}

// panels are those of the dashboard that may be shown: one for each statistic.
var panels = []int{1, 2, 3, 4}

// limits bounds what requests may cost.
type limits struct {
	Requests      int           // under way; of one reader 3/32
	Queries       int           // data queries that Grafana is given at a time; of one reader 1/16
	Fetches       int           // other requests that Grafana is given at a time; of one reader 1/10
	QueueTime     time.Duration // until one that waits is answered 503
	BodyTime      time.Duration // in which the body of a query must come
	HeaderTime    time.Duration // until Grafana begins its answer
	ResponseTime  time.Duration // for an answer as a whole
	ResponseBytes int64         // of an answer
	// Refresh is the time between two reads of the dashboard. Two in a row must fail before Grafana
	// counts as away.
	Refresh time.Duration
}

func defaultLimits() *limits {
	return &limits{
		Requests: 1024, Queries: 32, Fetches: 64, QueueTime: 5 * time.Second, BodyTime: 10 * time.Second,
		HeaderTime: 30 * time.Second, ResponseTime: time.Minute, ResponseBytes: 64 << 20, Refresh: 2 * time.Second,
	}
}

// A Proxy answers every request that is not for one of the page's own paths. Make one with New, and
// call Run.
type Proxy struct {
	*refresher
	*limiter
	log       *slog.Logger
	cfg       Config
	rules     []rule
	transport transport
	requests  *prometheus.CounterVec
}

// New makes a proxy for one dashboard. It asks nothing of Grafana before Run.
func New(log *slog.Logger, cfg Config, registerer prometheus.Registerer) *Proxy {
	if cfg.limits == nil {
		cfg.limits = defaultLimits()
	}
	p := &Proxy{
		limiter: newLimiter(cfg.limits), log: log, cfg: cfg, rules: compile(cfg.DashboardUID),
		transport: newTransport(cfg.limits),
		requests: promauto.With(registerer).NewCounterVec(prometheus.CounterOpts{
			Name: "colorstream_page_proxy_requests_total",
			Help: "Browsers' requests for Grafana's paths, by what became of them.",
		}, []string{"decision"}),
	}
	for _, label := range []string{labelPass, labelLocal, labelDenied, labelBusy, labelFailed, labelGone} {
		p.requests.WithLabelValues(label)
	}
	p.refresher = newRefresher(log, cfg.limits.Refresh, p.readDashboard)
	return p
}

// Run keeps the permitted queries and the state current until ctx ends. It is called once.
func (p *Proxy) Run(ctx context.Context) error {
	p.run(ctx)
	p.transport.CloseIdleConnections()
	return nil
}

// The values of the metric's label decision.
const (
	labelPass   = "pass"   // answered by Grafana
	labelLocal  = "local"  // answered by the proxy in Grafana's stead
	labelDenied = "denied" // not permitted
	labelBusy   = "busy"   // permitted, but too many at once
	labelFailed = "failed" // permitted, but Grafana gave no usable answer
	labelGone   = "gone"   // the browser left before the answer came
)

// An answer is what becomes of a request: a rule by which it passes, or what is written here.
type answer struct {
	rule  *rule  // set: it passes
	query string // the parameters that go up
	sent  []byte // the body that goes up

	status int
	body   string // JSON, or with an error status the message
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	label := labelFailed // httputil.ReverseProxy panics when an answer breaks off
	defer func() { p.requests.WithLabelValues(label).Inc() }()
	label = p.serve(w, r)
}

// serve answers a request and returns what became of it.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) (label string) {
	visit, err := p.enter(readerOf(r, p.cfg.TrustProxy))
	if err != nil {
		return p.fail(w, r, err)
	}
	defer visit.leave()
	a := p.decide(w, r)
	if a.rule == nil {
		a.write(w, r)
		if a.status >= 400 {
			return labelDenied
		}
		return labelLocal
	}
	kind := fetches
	if a.rule.decision == query {
		kind = queries
	}
	if err := visit.wait(r.Context(), kind); err != nil {
		return p.fail(w, r, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), p.cfg.limits.ResponseTime)
	defer cancel()
	// The server takes the deadline back when the request is over. A test's recorder has none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.cfg.limits.ResponseTime))
	label = labelPass
	(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { p.rewrite(r, a) },
		Transport:      p.transport,
		ErrorLog:       slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		ModifyResponse: func(r *http.Response) error { return p.modifyResponse(r, a) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			label = p.fail(w, r, err)
		},
	}).ServeHTTP(w, r.WithContext(ctx))
	return label
}

// decide judges one request. It is here that everything is denied unless a rule says otherwise.
func (p *Proxy) decide(w http.ResponseWriter, r *http.Request) *answer {
	if message := unusual(r, p.cfg.Prefix(r)); message != "" {
		return &answer{status: http.StatusBadRequest, body: message}
	}
	var rule *rule
	if len(r.URL.Path) <= maxPath {
		rule = match(p.rules, r.Method, r.URL.Path)
	}
	if rule == nil { // that is how a new version's needs are found
		p.log.Debug("denied a request that the proxy's table does not know",
			"method", r.Method, "path", r.URL.Path)
		return &answer{status: http.StatusNotFound, body: "not found"}
	}
	passed := &answer{rule: rule}
	var err error
	switch rule.decision {
	case pass:
	case solo:
		passed.query, err = soloQuery(r.URL.RawQuery)
	case query:
		body, rejected := p.readBody(w, r)
		if rejected != nil {
			return rejected
		}
		var empty string
		passed.sent, empty, err = checkQuery(body, p.cfg.DataSourceUID, p.current())
		if errors.Is(err, errUnknownQuery) { // an edit is in force with its first query
			p.refresh()
			passed.sent, empty, err = checkQuery(body, p.cfg.DataSourceUID, p.current())
		}
		if empty != "" {
			return &answer{status: http.StatusOK, body: empty}
		}
	case local:
		if rule.body == "" {
			return &answer{status: http.StatusNoContent}
		}
		return &answer{status: http.StatusOK, body: rule.body}
	}
	if err != nil {
		return &answer{status: http.StatusForbidden, body: err.Error()}
	}
	return passed
}

// write writes an answer that does not come from Grafana. Errors have the form that Grafana's
// scripts expect.
func (a *answer) write(w http.ResponseWriter, r *http.Request) {
	header, body, contentType := w.Header(), a.body, "application/json"
	if a.status >= 400 {
		if strings.HasPrefix(r.URL.Path, "/api") {
			message, err := json.Marshal(map[string]string{"message": a.body})
			if err != nil { // a string always has a JSON form
				panic(err)
			}
			body = string(message)
		} else {
			body, contentType = body+"\n", "text/plain; charset=utf-8"
		}
	}
	setOwnHeaders(header)
	header.Set("Cache-Control", "no-store")
	if body != "" {
		header.Set("Content-Type", contentType)
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body)
	}
}
