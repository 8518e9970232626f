package proxy

import (
	"net/http"
	"net/http/httptest"
)

// Limits lets a test change the limits.
func (c *Config) Limits() *limits {
	if c.limits == nil {
		c.limits = defaultLimits()
	}
	return c.limits
}

// Judge tells whether a request passes, and the parameters that go up with it.
func (p *Proxy) Judge(r *http.Request) (passes bool, parameters string) {
	a := p.decide(httptest.NewRecorder(), r)
	return a.rule != nil, a.query
}

// CheckBody tells what goes up for a data query, if the dashboard has these targets.
func CheckBody(body []byte, targets map[string]map[string]bool) (up []byte, empty string, err error) {
	known := &dashboard{targets: make(map[string]keys)}
	for text, its := range targets {
		known.targets[text] = its
	}
	return checkQuery(body, "colorstream-influxdb", known)
}
