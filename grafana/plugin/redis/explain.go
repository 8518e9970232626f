package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	goredis "github.com/redis/go-redis/v9"
)

// answers are what Redis says that a person can do something about.
var answers = []struct{ contains, hint string }{
	{"WRONGPASS", "wrong user or password: correct them in the settings"},
	{"invalid password", "wrong user or password: correct them in the settings"},
	{"NOAUTH", "no password: Redis wants one, give it in the settings"},
	{"NOPERM", "this user of Redis may not read that: allow it, or use another user"},
	{"WRONGTYPE", "that is no stream: correct the name, or choose the transport Pub/Sub"},
	{"DB index", "there is no such database: correct the number at the end of the URL"},
}

// explain puts a failure in words that say what to do. The cause stays in the chain.
func (s *Source) explain(err error) error {
	addr := s.address()
	if answer, ok := errors.AsType[goredis.Error](err); ok {
		for _, a := range answers {
			if strings.Contains(answer.Error(), a.contains) {
				return fmt.Errorf("%s: %s (%w)", s.Describe(), a.hint, err)
			}
		}
		return fmt.Errorf("%s refuses: %w", addr, err)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("there is no host %q: correct the URL (%w)", dns.Name, err)
	}
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	network, isNetwork := errors.AsType[net.Error](err)
	switch {
	case notTLS:
		return fmt.Errorf("%s does not speak TLS: write redis:// in place of rediss:// (%w)", addr, err)
	case untrusted:
		return fmt.Errorf("the certificate of %s is not trusted: give its CA certificate in the settings (%w)", addr, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: start Redis, or correct the URL (%w)", addr, err)
	case isNetwork && network.Timeout():
		hint := "is that the address of Redis, and is it reachable from Grafana?"
		if s.tls {
			hint += " If it speaks no TLS, write redis:// in place of rediss://"
		}
		return fmt.Errorf("%s does not answer: %s (%w)", addr, hint, err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		hint := "is that Redis? If it wants TLS, write rediss:// in place of redis://"
		if s.tls {
			hint = "is that Redis, does it speak TLS, and does it want a client certificate?"
		}
		return fmt.Errorf("%s closes the connection: %s (%w)", addr, hint, err)
	}
	return fmt.Errorf("%s cannot be reached: %w", addr, err)
}
