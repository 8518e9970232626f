package redis

import (
	"fmt"
	"strings"
)

// hints say what a person can do about what Redis, or the way to it, says.
var hints = []struct{ contains, hint string }{
	{"WRONGPASS", "wrong user or password: correct them in the settings"},
	{"invalid password", "wrong user or password: correct them in the settings"},
	{"NOAUTH", "no password: Redis wants one, give it in the settings"},
	{"NOPERM", "this user of Redis may not read that: allow it, or use another user"},
	{"WRONGTYPE", "that is no stream: correct the name, or choose the transport Pub/Sub"},
	{"DB index", "there is no such database: correct the number at the end of the URL"},
	{"no such host", "there is no such host: correct the URL"},
	{"connection refused", "nothing listens there: start Redis, or correct the URL"},
	{"not look like a TLS handshake", "it does not speak TLS: write redis:// in place of rediss://"},
	{"failed to verify certificate", "its certificate is not trusted: give its CA in the settings"},
	{"timeout", silent},
	{"deadline exceeded", silent},
	{"EOF", hangsUp},
	{"connection reset", hangsUp},
}

const (
	silent = "it does not answer: is that the address of Redis, and is it reachable from Grafana? " +
		"If it speaks no TLS, the URL must not begin with rediss://"
	hangsUp = "it closes the connection: is that Redis? If it wants TLS, write rediss:// in place of " +
		"redis://; with TLS it may want a client certificate"
)

// explain puts a failure in words that say what to do. The cause stays in the chain.
func (s *Source) explain(err error) error {
	for _, h := range hints {
		if strings.Contains(err.Error(), h.contains) {
			return fmt.Errorf("%s: %s (%w)", s.Describe(), h.hint, err)
		}
	}
	return fmt.Errorf("%s cannot be received: %w", s.Describe(), err)
}
