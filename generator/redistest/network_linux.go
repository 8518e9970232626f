package redistest

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// RouterAddr is where hosts reach the test.
const RouterAddr = "10.0.0.1"

// A Network is hosts whose links to each other can be cut: what is sent then is dropped without a
// word, as a switch without power does. The test's own network is the router between them.
type Network struct {
	t     testing.TB
	hosts int
}

// OnNetwork runs a test on a network. It starts the test once more, in a child with namespaces for
// users, mounts and networks, which end with it: nothing of this is seen by the machine. A machine
// that does not allow these, or lacks ip (iproute2), skips the test, or fails where CI=true.
func OnNetwork(t *testing.T, test func(*Network)) {
	t.Helper()
	const marker = "REDISTEST_NETWORK"
	if os.Getenv(marker) == t.Name() {
		n := &Network{t: t}
		if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil { // ip keeps names there
			t.Fatalf("mount /run: %v", err)
		}
		n.ip("link", "set", "lo", "up")
		n.ip("address", "add", RouterAddr+"/32", "dev", "lo")
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
		test(n)
		return
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=0"}
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") || f.Name == "test.short" {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	runtime.LockOSThread() // the child ends with the thread that has started it
	defer runtime.UnlockOSThread()
	var output bytes.Buffer
	child := exec.Command(os.Args[0], args...)
	child.Env = append(os.Environ(), marker+"="+t.Name())
	child.Stdout = io.MultiWriter(&output, t.Output())
	child.Stderr = child.Stdout
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	_, err := exec.LookPath("ip")
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		const needs = "this test needs ip (iproute2), and the right to make network namespaces (root): %v"
		if os.Getenv("CI") == "true" {
			t.Fatalf(needs, err)
		}
		t.Skipf(needs, err)
	}
	err = child.Wait()
	switch text := output.String(); {
	case err != nil:
		t.Fatalf("in its namespaces: %v", err)
	case strings.Contains(text, "--- SKIP: "+t.Name()):
		t.Skip("skipped in its namespaces")
	case !strings.Contains(text, "--- PASS: "+t.Name()):
		t.Fatal("it did not run in its namespaces")
	}
}

// Host adds a host.
func (n *Network) Host() *Host {
	n.t.Helper()
	n.hosts++
	name, addr := fmt.Sprint("host", n.hosts), fmt.Sprint("10.0.1.", n.hosts)
	n.ip("netns", "add", name)
	n.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
	n.ip("link", "set", name, "up")
	n.ip("route", "add", addr, "dev", name, "src", RouterAddr)
	n.ip("-n", name, "link", "set", "lo", "up")
	n.ip("-n", name, "address", "add", addr+"/32", "dev", "eth0")
	n.ip("-n", name, "link", "set", "eth0", "up")
	n.ip("-n", name, "route", "add", RouterAddr, "dev", "eth0")
	n.ip("-n", name, "route", "add", "default", "via", RouterAddr)
	return &Host{Addr: addr, Within: []string{"ip", "netns", "exec", name}}
}

// Cut cuts the links between each of some hosts and each of others, in both directions, until Mend.
func (n *Network) Cut(some, others []*Host) { n.rules("add", some, others) }

// Mend undoes what Cut did.
func (n *Network) Mend(some, others []*Host) { n.rules("del", some, others) }

func (n *Network) rules(verb string, some, others []*Host) {
	n.t.Helper()
	for _, a := range some {
		for _, b := range others {
			n.ip("rule", verb, "from", a.Addr, "to", b.Addr, "blackhole")
			n.ip("rule", verb, "from", b.Addr, "to", a.Addr, "blackhole")
		}
	}
}

func (n *Network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
