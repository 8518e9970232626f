package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	goredis "github.com/redis/go-redis/v9"
)

// explain puts a failure in words that say what to do. The cause stays in the chain.
func (s *Source) explain(err error) error {
	addr := s.address()
	if answer, ok := errors.AsType[goredis.Error](err); ok {
		return s.explainAnswer(err, answer.Error())
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("there is no host %q: correct the URL (%w)", dns.Name, err)
	}
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, otherHost := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	var timeout net.Error
	switch {
	case notTLS:
		return fmt.Errorf("%s does not speak TLS: write redis:// in place of rediss:// (%w)", addr, err)
	case unknown, otherHost, invalid:
		return fmt.Errorf("the certificate of %s is not trusted: give its CA certificate in the settings (%w)", addr, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: start Redis, or correct the URL (%w)", addr, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
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

func (s *Source) explainAnswer(err error, text string) error {
	name := s.cfg.Channel
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("WRONGPASS", "invalid password"):
		return fmt.Errorf("wrong user or password: correct them in the settings (%w)", err)
	case has("NOAUTH"):
		return fmt.Errorf("no password: Redis wants one, give it in the settings (%w)", err)
	case has("NOPERM"):
		return fmt.Errorf("this user of Redis may not read %q: allow it, or use another user (%w)",
			name, err)
	case has("WRONGTYPE"):
		return fmt.Errorf("the key %q is no stream: correct the name, or choose the transport Pub/Sub (%w)", name, err)
	case has("DB index"):
		return fmt.Errorf("there is no such database: correct the number at the end of the URL (%w)", err)
	}
	return fmt.Errorf("%s refuses: %w", s.address(), err)
}
