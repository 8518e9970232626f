package redistest

import (
	"net"
	"sync/atomic"
	"testing"
)

// A Proxy passes connections on to an address, and can go silent without closing them, as a network
// that lost its way does. It ends with the test.
type Proxy struct {
	listener net.Listener
	silent   atomic.Bool
}

// NewProxy starts a proxy for an address on one of this machine's hosts, such as 127.0.0.1.
func NewProxy(t testing.TB, host, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				_ = in.Close()
				continue
			}
			go p.pass(in, out)
			go p.pass(out, in)
		}
	}()
	return p
}

// Addr returns the proxy's host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Silence makes the proxy swallow all that is sent, in both directions, or pass it on again.
func (p *Proxy) Silence(silent bool) { p.silent.Store(silent) }

func (p *Proxy) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if p.silent.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
