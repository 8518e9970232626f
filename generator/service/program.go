package service

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
)

// A Program is a table of commands, to which the commands version and help are added, and those
// that serve HTTP get healthcheck. Without a word on the command line, the command run is carried
// out.
type Program struct {
	Name     string
	About    string // what it does, for help
	Commands []Command
	Notes    string // help's examples and so on
	Config   any    // whose variables help prints
	Addr     string // the variable of the HTTP address, if there is one
}

// A Command is one of a program's.
type Command struct {
	// Usage is its name and the words that must follow: "replay FILE"; "import FILE..." for any number
	// of them, which the command looks at itself.
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
	help := func(context.Context, Process) error { return p.help(process) }
	p.Commands = append(p.Commands,
		Command{"version", "print the version", func(context.Context, Process) error {
			_, err := fmt.Fprintln(process.Stdout, p.Name, Version())
			return err
		}},
		Command{"help", "print this", help})
	name, args := "run", process.Args
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	for _, c := range p.Commands {
		words := strings.Fields(c.Usage)
		isOpen := strings.HasSuffix(c.Usage, "...")
		switch {
		case words[0] != name:
			continue
		case !isOpen && slices.ContainsFunc(args, isHelp):
			return help(ctx, process)
		case !isOpen && len(args) != len(words)-1:
			return Usage(fmt.Errorf("%q cannot stand behind %s: write `%s %s` (settings are variables, "+
				"see `%[3]s help`)", args, name, p.Name, c.Usage))
		}
		process.Args = args
		return c.Run(ctx, process)
	}
	if isHelp(name) {
		return help(ctx, process)
	}
	return Usage(fmt.Errorf("there is no command %q: `%s help` lists all", name, p.Name))
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

func (p Program) help(process Process) error {
	t := tabwriter.NewWriter(process.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "%s\n\nusage:\n", p.About)
	for _, c := range p.Commands {
		fmt.Fprintf(t, "  %s %s\t%s\n", p.Name, c.Usage, c.Help)
	}
	fmt.Fprintf(t, "\n%svariables:\n", p.Notes)
	if err := t.Flush(); err != nil {
		return err
	}
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
	if _, err := Get(ctx, address, "/healthz"); err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	return nil
}

// Version is the build's version: a tag if there is one, else the commit, else "unknown". In a
// workspace Go's tools leave the module's version out.
func Version() string {
	info, _ := debug.ReadBuildInfo() // there is one where there are modules
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	build := map[string]string{}
	for _, s := range info.Settings {
		build[s.Key] = s.Value
	}
	if build["vcs.modified"] == "true" {
		return build["vcs.revision"] + "-dirty"
	}
	return cmp.Or(build["vcs.revision"], "unknown")
}
