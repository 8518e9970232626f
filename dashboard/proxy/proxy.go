// Package proxy lets anonymous browsers see the panels of one Grafana dashboard at Grafana's own
// paths on our origin, and nothing else of Grafana.
//
// It is an allow-list. A request of unusual form is rejected (request.go), then a table (table.go)
// says for every method and path whether it is passed to Grafana or answered here; what the table
// does not know is denied and never reaches Grafana. What passes is made anew (upstream.go): only
// listed headers and checked values go up, so that a browser that is also logged in to Grafana
// (cookies do not know ports) is an anonymous viewer here; only listed headers come back, so that
// no cookie, login prompt, redirect or framing rule of Grafana acts on our origin.
//
// A POST of /api/ds/query passes only if each of its queries is, character by character, one that
// the shown panels have now (query.go); the proxy keeps those current by reading the dashboard
// every two seconds (refresh.go). The body that goes up is written anew from the checked values, so
// that Grafana's reading of it cannot differ from ours. Queries of the dashboard's variables and
// annotations, which the panels do not need, are answered here with nothing.
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
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
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
	Requests      int           // of one reader, under way or waiting
	ReaderSlots   int64         // requests of one reader that Grafana is given at a time
	Slots         int64         // requests of all that Grafana is given at a time
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
		Requests: 96, ReaderSlots: 6, Slots: 64,
		QueueTime: 5 * time.Second, BodyTime: 10 * time.Second, HeaderTime: 30 * time.Second,
		ResponseTime: time.Minute, ResponseBytes: 64 << 20, Refresh: 2 * time.Second,
	}
}

// A Proxy answers every request that is not for one of the page's own paths. Make one with New, and
// call Run.
type Proxy struct {
	*limiter
	log       *slog.Logger
	cfg       Config
	table     []rule
	transport *http.Transport
	requests  *prometheus.CounterVec
	dashboard atomic.Pointer[dashboard] // as it is now; nobody changes it
}

// New makes a proxy for one dashboard. It asks nothing of Grafana before Run.
func New(log *slog.Logger, cfg Config, registerer prometheus.Registerer) *Proxy {
	if cfg.limits == nil {
		cfg.limits = defaultLimits()
	}
	p := &Proxy{
		limiter: newLimiter(cfg.limits), log: log, cfg: cfg, table: newTable(cfg.DashboardUID),
		// No Proxy: the environment does not decide where the browsers' requests go.
		transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: cfg.limits.HeaderTime,
			IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 16,
			MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
		requests: promauto.With(registerer).NewCounterVec(prometheus.CounterOpts{
			Name: "colorstream_page_proxy_requests_total",
			Help: "Browsers' requests for Grafana's paths, by what became of them.",
		}, []string{"decision"}),
	}
	for _, label := range []string{
		labelPass, labelLocal, labelDenied, labelBusy, labelFailed,
		labelGone,
	} {
		p.requests.WithLabelValues(label)
	}
	p.dashboard.Store(new(dashboard))
	return p
}

// Run keeps the permitted queries and the state current until ctx ends. It is called once.
func (p *Proxy) Run(ctx context.Context) error {
	p.refresh(ctx, p.readDashboard)
	p.transport.CloseIdleConnections()
	return nil
}

// Panels returns which of the configured panels Grafana has now, in ascending order, none if it
// does not answer. The revision changes when the dashboard has been edited: a panel that was loaded
// under another one asks for queries that may be gone. It is cheap, and safe for concurrent use.
func (p *Proxy) Panels() (list []int, revision string) {
	d := p.dashboard.Load()
	return slices.Clone(d.panels), d.revision
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

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	label := labelFailed // an answer that breaks off ends in a panic
	defer func() { p.requests.WithLabelValues(label).Inc() }()
	label, err := p.serve(w, r)
	if err != nil {
		label = p.fail(w, r, err)
	}
}

// serve answers a request and returns what became of it, or why it is not answered yet.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) (label string, err error) {
	visit, err := p.enter(readerOf(r, p.cfg.TrustProxy))
	if err != nil {
		return "", err
	}
	defer visit.leave()
	a, err := p.decide(w, r)
	if err != nil {
		return "", err
	}
	if !a.passes {
		write(w, http.StatusOK, "application/json", a.body)
		return labelLocal, nil
	}
	if err := visit.wait(r.Context()); err != nil {
		return "", err
	}
	return labelPass, p.pass(w, r, a)
}

// An answer is what becomes of a request that is in order.
type answer struct {
	decision decision
	passes   bool
	query    string // the parameters that go up
	sent     []byte // the body that goes up
	body     string // of what does not pass
}

// decide judges one request. It is here that everything is denied unless a rule says otherwise.
func (p *Proxy) decide(w http.ResponseWriter, r *http.Request) (a answer, err error) {
	if err := checkForm(r, p.cfg.Prefix(r)); err != nil {
		return a, err
	}
	i := slices.IndexFunc(p.table, func(rule rule) bool {
		return slices.Contains(strings.Fields(rule.methods), r.Method) &&
			rule.path.MatchString(r.URL.Path)
	})
	if i < 0 { // the debug log tells what a new version of Grafana needs
		return a, refusal{http.StatusNotFound, "not found"}
	}
	rule := p.table[i]
	a = answer{decision: rule.decision, passes: rule.decision != local, body: rule.body}
	switch a.decision {
	case solo:
		a.query, err = soloQuery(r.URL.RawQuery)
	case query:
		var body []byte
		if body, err = p.readBody(w, r); err == nil {
			a.sent, a.body, err = checkQuery(body, p.cfg.DataSourceUID, p.dashboard.Load())
			a.passes = a.body == ""
		}
	}
	return a, err
}

// A refusal is an error that the browser is told.
type refusal struct {
	status  int
	message string
}

func (e refusal) Error() string { return e.message }

// fail answers a request that Grafana does not answer, in the form that its scripts expect, and
// returns what became of it.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, err error) (label string) {
	label = labelFailed
	told, ok := errors.AsType[refusal](err)
	switch {
	case ok && told.status == http.StatusServiceUnavailable:
		label = labelBusy
		w.Header().Set("Retry-After", "1")
	case ok && told.status < 500:
		label = labelDenied
	case ok:
	case isTimeout(err):
		told = refusal{http.StatusGatewayTimeout, "Grafana does not answer in time"}
	default:
		told = refusal{http.StatusBadGateway, "Grafana does not answer"}
		if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			label = labelGone // nobody reads the answer
		}
	}
	p.log.Debug("a request is not passed", "method", r.Method, "path", r.URL.Path, "error", err)
	if !strings.HasPrefix(r.URL.Path, "/api") {
		write(w, told.status, "text/plain; charset=utf-8", told.message+"\n")
		return label
	}
	message, err := json.Marshal(map[string]string{"message": told.message})
	if err != nil { // a string always has a JSON form
		panic(err)
	}
	write(w, told.status, "application/json", string(message))
	return label
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// write writes an answer that does not come from Grafana.
func write(w http.ResponseWriter, status int, contentType, body string) {
	setOwnHeaders(w.Header())
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the browser is gone, if anything
}
