package service

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	type config struct {
		Addr  string `env:"T_ADDR" envDefault:"127.0.0.1:1" help:"where"`
		Count int    `env:"T_COUNT" envDefault:"1" help:"how many"`
	}
	ran := func(name string) func(context.Context, Process) error {
		return Configured(func(_ context.Context, p Process, c config) error {
			_, err := p.Stdout.Write([]byte(name + strings.Join(p.Args, "+")))
			return err
		})
	}
	p := Program{
		Name: "tester", About: "tester tests.", Notes: "Notes.\n\n", Config: config{}, Addr: "T_ADDR",
		Commands: []Command{
			{"run", "go on", ran("run")},
			{"replay FILE", "play", ran("replay ")},
			{"import FILE...", "read", ran("import ")},
		},
	}
	want := func(p Program, want string, words string, variables ...string) {
		t.Helper()
		var out strings.Builder
		err := p.Run(t.Context(), Process{
			Args: strings.Fields(words), Environ: env.ToMap(variables), Stdout: &out,
		})
		exit, isUsage := errors.AsType[*ExitError](err)
		if err != nil && isUsage != strings.HasPrefix(want, "usage: ") {
			t.Errorf("%s: %v", words, err)
		}
		if isUsage && exit.Status != 2 {
			t.Errorf("%s: status %d", words, exit.Status)
		}
		if err != nil {
			out.WriteString(err.Error())
		}
		if !strings.Contains(out.String(), strings.TrimPrefix(want, "usage: ")) {
			t.Errorf("%q: %q, want %q", words, out.String(), want)
		}
	}
	const usage = `tester tests.

usage:
  tester run             go on
  tester replay FILE     play
  tester import FILE...  read
  tester healthcheck     ask the tester that runs on T_ADDR whether it lives
  tester version         print the version
  tester help            print this

Notes.

variables:
  T_ADDR   127.0.0.1:1  where
  T_COUNT  1            how many
`
	want(p, "run", "")
	want(p, "run", "run")
	want(p, "replay a", "replay a")
	want(p, "import a+b+--help", "import a b --help")
	want(p, "tester "+Version()+"\n", "version")
	for _, words := range []string{"help", "-h", "-help", "--help", "replay --help"} {
		want(p, usage, words)
	}
	want(p, "not healthy: ", "healthcheck")
	// It needs no other variable.
	want(p, "not healthy: ", "healthcheck", "T_ADDR=127.0.0.1:2", "T_COUNT=many")
	want(p, "usage: there is no command \"sing\": `tester help` lists all", "sing")
	want(p, "usage: write `tester replay FILE`", "replay")
	want(p, "usage: write `tester replay FILE`", "replay a b")
	want(p, `usage: ["fast"] cannot stand behind run`, "run fast")
	want(p, `usage: T_COUNT="many": is not a whole number`, "run", "T_COUNT=many")
	p.Commands, p.Addr = p.Commands[1:], ""
	want(p, `usage: there is no command "run"`, "")
	want(p, `usage: no command "healthcheck"`, "healthcheck")
}
