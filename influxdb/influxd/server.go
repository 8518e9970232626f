package influxd

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"colorstream/generator/process"
)

// startTimeout is long: an old data folder may need a while to load.
const startTimeout = 60 * time.Second

// StopTimeout is how long a server may take to stop.
const StopTimeout = 15 * time.Second

// Config says how a server runs.
type Config struct {
	Binary string    // from [Find]
	Addr   string    // host:port to listen on
	Dir    string    // keeps all data; made if need be
	Log    io.Writer // receives what influxd prints; nil discards it
}

// Start runs influxd and waits until it answers. The caller must stop it, politely first, so that
// it leaves no lock behind, and also after ctx has ended: ctx bounds only the start.
func Start(ctx context.Context, config Config) (*process.Process, error) {
	if err := process.Unused(config.Addr); err != nil {
		return nil, fmt.Errorf("influxd: %w", err)
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.Command(config.Binary, arguments(config.Addr, config.Dir)...)
	// A variable that is set wins.
	cmd.Env = append(slices.Clone(QueryLimits), os.Environ()...)
	cmd.Dir = config.Dir // where it looks for a config file: there is none
	cmd.Stdout = config.Log
	p, err := process.Start(cmd)
	if err != nil {
		return nil, err
	}
	// It answers only after its storage engine has opened.
	url := "http://" + config.Addr + "/health"
	if err := p.WaitHTTP(ctx, startTimeout, url, `"status":"pass"`); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// QueryLimits are the limits of queries as variables of influxd, in bytes and in queries. Whoever
// may see a dashboard may send any query: one that wants more memory ends with an error, and
// all together leave room to write. Many may run at once, each with little memory that is its own:
// a query that is given up runs on to its end, and short ones must not wait for it.
// docker-compose.yml has the same ones.
//
// BUG: InfluxDB counts the memory of tables alone. A query that makes one string of many gigabytes
// ends influxd, unless the system does before.
var QueryLimits = []string{
	"INFLUXD_QUERY_CONCURRENCY=64",
	"INFLUXD_QUERY_QUEUE_SIZE=64",
	"INFLUXD_QUERY_INITIAL_MEMORY_BYTES=8388608", // 8 MiB for each that runs
	"INFLUXD_QUERY_MEMORY_BYTES=268435456",       // 256 MiB at most for one
	"INFLUXD_QUERY_MAX_MEMORY_BYTES=1073741824",  // 1 GiB for all
	"GOMEMLIMIT=1536MiB",                         // collect garbage rather than use more
}

// arguments make influxd listen on addr and keep its data under dir. It then
// tells nobody about its use, prints errors only, and rejects Flux that connects to private
// addresses: whoever may query may not reach the machine's other services through it.
func arguments(addr, dir string) []string {
	return []string{
		"run",
		"--http-bind-address=" + addr,
		"--bolt-path=" + filepath.Join(dir, "influxd.bolt"),
		"--sqlite-path=" + filepath.Join(dir, "influxd.sqlite"),
		"--engine-path=" + filepath.Join(dir, "engine"),
		"--reporting-disabled",
		"--hardening-enabled",
		"--log-level=error",
	}
}
