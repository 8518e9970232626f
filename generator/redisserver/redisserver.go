// Package redisserver runs the machine's redis-server: one, or several that form a cluster. It
// serves `make run` and the tests (package redistest).
package redisserver

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/process"
)

// startTimeout is long: Redis may have a large append-only file to load.
const startTimeout = 60 * time.Second

// A Config says how a server runs.
type Config struct {
	Addr     string    // host:port, of this machine
	Dir      string    // keeps all its files; made if need be
	Password string    // of the default user; "" for none
	Args     []string  // further settings, such as "--appendonly", "yes"
	Output   io.Writer // receives its log; nil discards it
	Within   []string  // what runs it, such as ip netns exec NAME; nil for nothing
}

// Find returns the path of redis-server. Its error says how to install it.
func Find() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("redis-server is not installed "+
			"(apt-get install redis-server, brew install redis): %w", err)
	}
	return path, nil
}

// Start starts a server and waits until it answers. The caller must stop it, also after ctx has
// ended: ctx bounds only the start.
func Start(ctx context.Context, c Config) (*process.Process, error) {
	path, err := Find()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	if c.Within == nil { // else the address may be that of another network
		if err := process.Unused(c.Addr); err != nil {
			return nil, fmt.Errorf("redis-server: %w", err)
		}
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	// The password stands in a file, as every user of the machine can read arguments.
	lines := []string{
		"bind " + host, "port " + port, "dir " + quote(c.Dir), `save ""`, "loglevel warning",
	}
	if c.Password != "" {
		lines = append(lines, "requirepass "+quote(c.Password), "masterauth "+quote(c.Password))
	}
	file := filepath.Join(c.Dir, "redis.conf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	command := slices.Concat(c.Within, []string{path, file}, c.Args)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Stdout = c.Dir, c.Output
	p, err := process.Start(cmd)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := newClient(c.Addr, c.Password)
	defer client.Close()
	err = p.WaitReady(ctx, func(ctx context.Context) error { return answers(ctx, client, p.PID()) })
	if err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

func newClient(addr, password string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: addr, Password: password, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true,
	})
}

// answers returns nil if the server has loaded its data and is the process with this id.
func answers(ctx context.Context, client *redis.Client, pid int) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", client.Options().Addr)
	if err != nil {
		return err // the client would print it, too
	}
	conn.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return err
	}
	info, err := client.InfoMap(ctx, "server").Result()
	if err != nil {
		return err
	}
	if got := info["Server"]["process_id"]; got != strconv.Itoa(pid) {
		return fmt.Errorf("another Redis (process %s) answers at %s", got, client.Options().Addr)
	}
	return nil
}

// quote quotes a string for redis.conf.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
