package redistest

import (
	"net"
	"testing"
	"time"
)

func TestNetwork(t *testing.T) {
	t.Parallel()
	OnNetwork(t, func(n *Network) {
		one, two := n.Host(), n.Host()
		now := []string{"--repl-diskless-sync-delay", "0"}
		master, replica := start(t, one, now...), start(t, two, now...)
		host, port, _ := net.SplitHostPort(master.Addr())
		client := replica.Client()
		if err := client.ReplicaOf(t.Context(), host, port).Err(); err != nil {
			t.Fatal(err)
		}
		passes := func(id string) bool {
			if err := master.Client().Set(t.Context(), "key", id, 0).Err(); err != nil {
				t.Fatal(err)
			}
			for range 100 {
				if client.Get(t.Context(), "key").Val() == id {
					return true
				}
				time.Sleep(20 * time.Millisecond)
			}
			return false
		}
		if !passes("first") {
			t.Error("hosts do not reach each other")
		}
		n.Cut([]*Host{one}, []*Host{two})
		if passes("second") {
			t.Error("a link is not cut")
		}
		n.Mend([]*Host{one}, []*Host{two})
		if !passes("third") {
			t.Error("a link is not mended")
		}
	})
}
