package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"colorstream/generator/process"
	"colorstream/generator/service"
)

// signalDelay is how soon a signal still belongs to the first one: a keystroke may arrive twice, from the terminal
// and from a program in between.
const signalDelay = 300 * time.Millisecond

// stack is one run of everything.
type stack struct {
	config
	root    string // the checkout
	bin     string // our programs
	process service.Process
	out     *output
	sup     *supervisor
	in      *instance

	redis, influx, grafana server
}

// server is a program that others connect to, started here or not.
type server struct {
	listen string // where it is to listen
	ours   bool
	path   string // its program, if ours
	note   string // what there is to know about it
}

// up runs the stack until ctx ends or a part dies.
func up(ctx context.Context, p service.Process, root string, c config) error {
	// A terminal that closes ends the stack as Ctrl-C does.
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer cancel()
	// The signal that ends ctx comes here too, and a second one would otherwise end this process alone.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	in, err := acquire(c.Data)
	if err != nil {
		return err
	}
	defer in.release()
	out := newOutput(p.Stdout, p.Environ)
	s := &stack{
		config: c, root: root, bin: filepath.Join(root, "bin"), process: p,
		out: out, sup: newSupervisor(out), in: in,
	}
	if err = s.prepare(ctx); err == nil {
		if err = s.start(ctx); err == nil {
			out.block(s.summary())
			err = s.sup.watch(ctx)
		}
	}
	interrupted := ctx.Err() != nil
	if interrupted {
		err = nil
		out.say("stopping; a second Ctrl-C kills what is left")
	} else if len(s.sup.running) > 0 {
		out.say("%s: stopping the rest", firstLine(err))
	}
	hurry, cancelHurry := context.WithCancel(context.Background())
	defer cancelHurry()
	go func() {
		settled := time.After(signalDelay)
		for again := false; ; {
			select {
			case <-settled:
				again = true
			case <-signals:
				if again {
					cancelHurry()
				}
			case <-hurry.Done():
				return
			}
		}
	}()
	err = errors.Join(s.sup.stop(hurry), err) // the error last: it is what one looks for
	if interrupted {
		out.say("stopped")
	}
	return err
}

// prepare finds or builds every program, and checks every port before that.
func (s *stack) prepare(ctx context.Context) error {
	s.findRedis()
	s.influx.listen, s.influx.ours = s.ours("influxdb", s.InfluxURL, "8086")
	s.findGrafana()
	if err := checkPorts(s.ports()); err != nil {
		return err
	}
	if s.influx.ours {
		b := builder(s.root, s.process)
		b.Out = s.out.part("influxdb")
		path, err := b.Build(ctx)
		if err != nil {
			return err
		}
		s.influx.path = path
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	if s.grafana.ours {
		return s.installPlugin(ctx)
	}
	return nil
}

func (s *stack) ports() []port {
	var ports []port
	add := func(ok bool, p port) {
		if ok {
			ports = append(ports, p)
		}
	}
	add(s.redis.ours, port{"Redis", s.redis.listen, "REDIS_URL", "REDIS_URL=redis://localhost:6380/0 (or STACK_EXTERNAL=redis to use the one that is there)"})
	add(s.influx.ours, port{"InfluxDB", s.influx.listen, "INFLUX_URL", "INFLUX_URL=http://localhost:8087"})
	add(s.grafana.ours, port{"Grafana", s.grafana.listen, "GRAFANA_URL", "GRAFANA_URL=http://localhost:3001"})
	add(true, port{"the page", s.DashboardAddr, "DASHBOARD_ADDR", "DASHBOARD_ADDR=127.0.0.1:9050"})
	add(true, port{"the worker", s.WorkerAddr, "WORKER_ADDR", "WORKER_ADDR=127.0.0.1:9051"})
	add(s.GeneratorAddr != addrOff, port{"the generator", s.GeneratorAddr, "GENERATOR_ADDR", "GENERATOR_ADDR=127.0.0.1:9052"})
	return ports
}

// start starts the parts such that each finds there what it needs; they stop in the reverse order. An error
// leaves running what was started.
func (s *stack) start(ctx context.Context) error {
	for _, p := range []struct {
		server
		part func() (part, error)
	}{{s.redis, s.redisPart}, {s.influx, s.influxPart}} {
		if !p.ours {
			continue
		}
		made, err := p.part()
		if err != nil {
			return err
		}
		if err := s.run(ctx, made); err != nil {
			return err
		}
	}
	if err := s.sup.once(ctx, s.program("influxdb", s.initEnviron())); err != nil {
		return err
	}
	var grafana *runningPart
	if s.grafana.ours { // it takes its time, which the others need not wait for
		made, err := s.grafanaPart()
		if err != nil {
			return err
		}
		if grafana, err = s.launch(made); err != nil {
			return err
		}
	}
	if err := s.run(ctx, s.pagePart()); err != nil {
		return err
	}
	if err := s.run(ctx, s.workerPart()); err != nil {
		return err
	}
	if err := s.run(ctx, s.generatorPart()); err != nil {
		return err
	}
	if grafana != nil {
		return s.sup.await(ctx, grafana)
	}
	return nil
}

// run starts a part and waits until it is ready.
func (s *stack) run(ctx context.Context, p part) error {
	r, err := s.launch(p)
	if err != nil {
		return err
	}
	return s.sup.await(ctx, r)
}

func (s *stack) launch(p part) (*runningPart, error) {
	r, err := s.sup.start(p)
	if err != nil {
		return nil, err
	}
	return r, s.in.add(r)
}

// environ is the user's environment with what the launcher decides.
func (s *stack) environ(set map[string]string) []string {
	all := maps.Clone(s.process.Environ)
	maps.Copy(all, set)
	var pairs []string
	for name, value := range all {
		pairs = append(pairs, name+"="+value)
	}
	return pairs
}

// program is one of ours, of the same name in the folder bin.
func (s *stack) program(name string, set map[string]string) part {
	return part{
		name: name, grace: programGrace, patience: programPatience,
		spec: process.Command{Path: filepath.Join(s.bin, name), Dir: s.root, Env: s.environ(set)},
	}
}

func (s *stack) initEnviron() map[string]string {
	return map[string]string{"INFLUX_TOKEN_DIR": s.tokenDir(), "INFLUX_TOKEN_GROUPS": "", "INFLUX_SCRAPE": s.scrape()}
}

// scrape lists what InfluxDB, on this machine, reads the metrics of.
func (s *stack) scrape() string {
	if s.InfluxScrape != "" {
		return s.InfluxScrape
	}
	if !s.influx.ours {
		return "off" // who knows whether it reaches this machine
	}
	targets := []string{
		"worker=http://" + reach(s.WorkerAddr) + "/metrics", "page=http://" + reach(s.DashboardAddr) + "/metrics",
		"influxdb=http://" + s.influx.listen + "/metrics",
	}
	if s.GeneratorAddr != addrOff {
		targets = append(targets, "generator=http://"+reach(s.GeneratorAddr)+"/metrics")
	}
	return strings.Join(targets, ",")
}

func (s *stack) tokenDir() string { return filepath.Join(s.Data, "tokens") }

func (s *stack) token(name string) map[string]string {
	return map[string]string{"INFLUX_TOKEN": "", "INFLUX_TOKEN_FILE": filepath.Join(s.tokenDir(), name)}
}

func (s *stack) pagePart() part {
	set := s.token("dashboard")
	if s.process.Environ["GRAFANA_PUBLIC_URL"] == "" {
		set["GRAFANA_PUBLIC_URL"] = s.GrafanaURL // it is on this machine, as are its readers
	}
	p := s.program("dashboard", set)
	p.ready = answers("http://" + reach(s.DashboardAddr) + "/healthz")
	return p
}

func (s *stack) workerPart() part {
	set := s.token("worker")
	if s.process.Environ["WORKER_DATA_DIR"] == "" {
		set["WORKER_DATA_DIR"] = filepath.Join(s.Data, "worker")
	}
	p := s.program("worker", set)
	p.ready = answers("http://" + reach(s.WorkerAddr) + "/healthz")
	return p
}

func (s *stack) generatorPart() part {
	p := s.program("generator", nil)
	p.finite = true // with an input or a count it has an end
	return p
}

// firstLine is enough for the screen when the whole follows at the end.
func firstLine(err error) string {
	text := fmt.Sprint(err)
	for i, r := range text {
		if r == '\n' || r == ';' {
			return text[:i]
		}
	}
	return text
}
