package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Program is a table of commands. Without a word on the command line, run is carried out, or help
// if there is no run. All programs have the commands version and help, and those that serve HTTP
// healthcheck.
type Program struct {
	Name  string
	About string // what it does, for help
	// Commands have a name each, and the words that must follow: "replay FILE"; "import FILE..." for
	// any number of them.
	Commands []Command
	Notes    string // help's examples and so on
	Config   any    // whose variables help prints
	Addr     string // the variable of the HTTP address, if there is one
}

// A Command is one of a program's.
type Command struct {
	Usage string
	Help  string
	Run   func(context.Context, Process) error // Args are what follows the command's name
}

// Run carries out the command that the process's first word names.
func (p Program) Run(ctx context.Context, process Process) error {
	if p.Addr != "" {
		p.Commands = append(p.Commands, Command{
			"healthcheck", "ask the " + p.Name + " that runs on " + p.Addr + " whether it lives",
			p.healthcheck,
		})
	}
	p.Commands = append(p.Commands,
		Command{"version", "print the version", func(_ context.Context, process Process) error {
			_, err := fmt.Fprintln(process.Stdout, p.Name, Version())
			return err
		}},
		Command{"help", "print this", nil})
	p.Commands[len(p.Commands)-1].Run = p.help
	name, args := "", process.Args
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	var names []string
	for _, c := range p.Commands {
		names = append(names, strings.Fields(c.Usage)[0])
	}
	switch {
	case name == "" && slices.Contains(names, "run"):
		name = "run"
	case name == "" || isHelp(name):
		name = "help"
	}
	i := slices.Index(names, name)
	if i < 0 {
		list := strings.Join(names, ", ")
		return Usage(fmt.Errorf("there is no command %q: it is one of %s", name, list))
	}
	c := p.Commands[i]
	if len(args) == 1 && isHelp(args[0]) && !strings.HasSuffix(c.Usage, "...") {
		return p.help(ctx, process)
	}
	if !strings.HasSuffix(c.Usage, "...") && len(args) != len(strings.Fields(c.Usage))-1 {
		return Usage(fmt.Errorf(
			"%q cannot stand behind %s: write `%s %s` (settings are variables, see `%[3]s help`)",
			args, name, p.Name, c.Usage))
	}
	process.Args = args
	return c.Run(ctx, process)
}

func isHelp(word string) bool { return word == "-h" || word == "-help" || word == "--help" }

// Configured makes a command of a function that needs the configuration.
func Configured[C any](
	run func(context.Context, Process, C) error,
) func(context.Context, Process) error {
	return func(ctx context.Context, p Process) error {
		config, err := ParseConfig[C](p.Environ)
		if err != nil {
			return err
		}
		return run(ctx, p, config)
	}
}

func (p Program) help(_ context.Context, process Process) error {
	fmt.Fprintf(process.Stdout, "%s\n\nusage:\n", p.About)
	for _, c := range p.Commands {
		if c.Usage == "run" {
			c.Usage = "[run]"
		}
		fmt.Fprintf(process.Stdout, "  %s %-*s  %s\n", p.Name, 26-len(p.Name), c.Usage, c.Help)
	}
	fmt.Fprintf(process.Stdout, "\n%svariables:\n", p.Notes)
	return WriteVariables(process.Stdout, p.Config)
}

// healthcheck asks for /healthz, for containers without a shell. It needs no other variable: a
// container's check may be without the secrets.
func (p Program) healthcheck(ctx context.Context, process Process) error {
	address := process.Environ[p.Addr]
	for _, v := range Variables(p.Config) {
		if v.Name == p.Addr {
			address = cmp.Or(address, v.Default)
		}
	}
	if address == "off" {
		return errors.New("not known: " + p.Addr + " is off")
	}
	if err := Get(ctx, address, "/healthz", func(io.Reader) error { return nil }); err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	return nil
}
