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
	a, err := p.decide(httptest.NewRecorder(), r)
	return err == nil && a.passes, a.query
}

// CheckBody tells what goes up for a data query, if the dashboard has these targets.
func CheckBody(body []byte, targets map[string]bool) (up []byte, empty string, err error) {
	return checkQuery(body, "colorstream-influxdb", &dashboard{targets: targets})
}
