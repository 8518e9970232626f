package publish

import (
	"io"
	"net"
	"sync"
	"testing"

	"colorstream/generator/redistest"
)

// A delayer passes connections on to a server. What clients send over the connections that exist when hold is
// called arrives only after release, even if the client has gone meanwhile.
type delayer struct {
	net.Listener
	wait sync.WaitGroup

	mu   sync.Mutex // guards gates
	gate []chan struct{}
	held []*held
}

type held struct {
	mu   sync.Mutex
	gate chan struct{} // closed when bytes may pass
}

func delay(t *testing.T, server string) *delayer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &delayer{Listener: l}
	d.wait.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				t.Error(err)
				return
			}
			open := make(chan struct{})
			close(open)
			h := &held{gate: open}
			d.mu.Lock()
			d.held = append(d.held, h)
			d.mu.Unlock()
			d.wait.Go(func() {
				_, _ = io.Copy(client, upstream) // ends when the server closes
				_ = client.Close()
				_ = upstream.Close()
			})
			d.wait.Go(func() { h.forward(upstream, client) })
		}
	})
	t.Cleanup(func() {
		d.release()
		_ = l.Close()
	})
	return d
}

func (h *held) forward(upstream, client net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		h.mu.Lock()
		gate := h.gate
		h.mu.Unlock()
		<-gate
		if n > 0 {
			_, _ = upstream.Write(buffer[:n]) // the server may have closed: that is the point
		}
		if err != nil {
			_ = upstream.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

func (d *delayer) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.held {
		gate := make(chan struct{})
		d.gate = append(d.gate, gate)
		h.mu.Lock()
		h.gate = gate
		h.mu.Unlock()
	}
}

func (d *delayer) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, gate := range d.gate {
		close(gate)
	}
	d.gate = nil
}

// A batch that is stuck on its way when the client gives up must not arrive after it was sent once more.
func TestFence(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	d := delay(t, server.Addr())
	r := quick(t, "redis://"+d.Addr().String(), Stream)
	r.add(0, 10)
	r.flush(t)
	d.hold()
	r.add(10, 10)
	r.flush(t)
	if got := r.Counts(); got.Published != 20 || got.Errors == 0 {
		t.Errorf("%+v", got)
	}
	d.release()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	_ = d.Close()
	d.wait.Wait() // all that was held has reached the server, and the server has answered or closed
	checkStream(t, server.Client(), 20)
}
