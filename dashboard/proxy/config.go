package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// Config tells what is shown and how much it may cost.
type Config struct {
	// Upstream is Grafana's address: http or https, a host, no path, no user. Required.
	Upstream *url.URL
	// DashboardUID is the dashboard's uid. Required.
	DashboardUID string
	// PanelIDs are the panels that may be shown. Default 1, 2, 3, 4.
	PanelIDs []int
	// DataSourceUID is the one InfluxDB data source that may be queried. Default colorstream-influxdb.
	DataSourceUID string
	// Refresh is the time between two looks at the dashboard. Default 2 s: two looks in a row must fail before
	// Grafana counts as away, which is then known within 5 s.
	Refresh time.Duration
	// Limits bounds each request and all of them together.
	Limits Limits
}

// Limits bounds what requests may cost. A zero field takes its default.
type Limits struct {
	// Requests is how many browsers' requests may be under way, waiting included. Default 1024.
	Requests int
	// Queries is how many data queries Grafana is given at a time. Default 4.
	Queries int
	// Fetches is how many other requests Grafana is given at a time. Default 32.
	Fetches int
	// Queue is how many queries, and how many other requests, wait for their turn; more are answered 503 at once.
	// Default 256.
	Queue int
	// QueueTime is how long a request waits for its turn before it is answered 503. Default 5 s.
	QueueTime time.Duration
	// BodyBytes and BodyTime bound the body of a query. Defaults 64 KiB and 10 s.
	BodyBytes int64
	BodyTime  time.Duration
	// HeaderTime is how long Grafana may take to begin its answer. Default 30 s.
	HeaderTime time.Duration
	// ResponseTime and ResponseBytes bound an answer as a whole. Defaults 60 s and 64 MiB.
	ResponseTime  time.Duration
	ResponseBytes int64
	// SharedBytes bounds an answer that is held in memory for several browsers; a larger query answer is refused,
	// a larger asset is streamed to each. Default 16 MiB.
	SharedBytes int64
	// CacheBytes bounds the memory of kept assets and query answers. Default 64 MiB.
	CacheBytes int64
	// Range is the longest time range of a query. Default 400 days.
	Range time.Duration
	// Points bounds range divided by interval, that is, a series' length. Default 12000.
	Points int
	// PostedQueries is how many queries one body may hold. Default 10.
	PostedQueries int
}

var plainUID = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,40}\z`)

// complete returns the configuration with its defaults, or everything that is wrong with it.
func (c Config) complete() (Config, error) {
	defaulted(&c.DataSourceUID, "colorstream-influxdb")
	defaulted(&c.Refresh, 2*time.Second)
	if c.PanelIDs == nil {
		c.PanelIDs = []int{1, 2, 3, 4}
	}
	c.PanelIDs = slices.Clone(c.PanelIDs)
	l := &c.Limits
	defaulted(&l.Requests, 1024)
	defaulted(&l.Queries, 4)
	defaulted(&l.Fetches, 32)
	defaulted(&l.Queue, 256)
	defaulted(&l.QueueTime, 5*time.Second)
	defaulted(&l.BodyBytes, 64<<10)
	defaulted(&l.BodyTime, 10*time.Second)
	defaulted(&l.HeaderTime, 30*time.Second)
	defaulted(&l.ResponseTime, time.Minute)
	defaulted(&l.ResponseBytes, 64<<20)
	defaulted(&l.SharedBytes, 16<<20)
	defaulted(&l.CacheBytes, 64<<20)
	defaulted(&l.Range, 400*24*time.Hour)
	defaulted(&l.Points, 12000)
	defaulted(&l.PostedQueries, 10)

	var wrong []error
	if u := c.Upstream; u == nil {
		wrong = append(wrong, errors.New("no Upstream, that is, Grafana's address"))
	} else if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Opaque != "" ||
		u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		wrong = append(wrong, fmt.Errorf("the Upstream %q must be http://host:port or https://host:port, "+
			"without a path, a user or a query (Grafana under a sub-path is not supported)", u.Redacted()))
	}
	if !plainUID.MatchString(c.DashboardUID) {
		wrong = append(wrong, fmt.Errorf("the DashboardUID %q must be 1 to 40 letters, digits, - or _", c.DashboardUID))
	}
	if !plainUID.MatchString(c.DataSourceUID) {
		wrong = append(wrong, fmt.Errorf("the DataSourceUID %q must be 1 to 40 letters, digits, - or _", c.DataSourceUID))
	}
	if len(c.PanelIDs) == 0 || slices.Min(c.PanelIDs) < 1 {
		wrong = append(wrong, fmt.Errorf("the PanelIDs %v must be positive numbers, at least one", c.PanelIDs))
	}
	if c.Refresh < 100*time.Millisecond {
		wrong = append(wrong, fmt.Errorf("the Refresh %v must be at least 100ms", c.Refresh))
	}
	if min(l.Requests, l.Queries, l.Fetches, l.Queue, l.Points, l.PostedQueries) < 1 ||
		min(l.BodyBytes, l.ResponseBytes, l.SharedBytes, l.CacheBytes) < 1 ||
		min(l.QueueTime, l.BodyTime, l.HeaderTime, l.ResponseTime, l.Range) < 1 {
		wrong = append(wrong, fmt.Errorf("the Limits %+v must all be positive", *l))
	}
	if err := errors.Join(wrong...); err != nil {
		return c, fmt.Errorf("configure the proxy: %w", err)
	}
	return c, nil
}

func defaulted[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
