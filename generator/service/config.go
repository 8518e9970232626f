package service

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// variableError says what is wrong with one variable.
type variableError struct{ variable, value, problem string }

func (e *variableError) Error() string {
	if e.value == "" {
		return e.variable + ": " + e.problem
	}
	return fmt.Sprintf("%s=%q: %s", e.variable, e.value, e.problem)
}

// Invalid is an error in a variable, for Validate methods, which join them. An empty value is left
// out of the message, as that of a secret must be.
func Invalid(variable string, value any, problem string) error {
	return &variableError{variable, fmt.Sprint(value), problem}
}

// ParseConfig reads the variables that C's `env` tags name. All errors are reported at once.
//
//   - A duration is Go's (5s, 500ms) or a bare number of seconds.
//   - A field with the tag `secret:"true"` may be given as the path of a file, in the variable with
//     _FILE behind its name. Its value is never in an error.
//   - A set but empty variable counts as unset, as `${NAME:-}` in a compose file makes them.
//   - C's method Validate() error, if there is one, checks what types do not.
func ParseConfig[C any](environ map[string]string) (C, error) {
	var config C
	p := problems{variables: Variables(config), environ: maps.Clone(environ), seen: map[string]bool{}}
	maps.DeleteFunc(p.environ, func(_, value string) bool { return value == "" })
	if p.environ == nil {
		p.environ = map[string]string{} // nil would mean the process's own
	}
	p.readSecrets()
	duration := func(s string) (any, error) { return ParseDuration(s) }
	p.add(env.ParseWithOptions(&config, env.Options{
		Environment: p.environ,
		FuncMap:     map[reflect.Type]env.ParserFunc{reflect.TypeFor[time.Duration](): duration},
	}))
	if v, ok := any(config).(interface{ Validate() error }); ok {
		p.add(v.Validate())
	}
	if len(p.lines) == 0 {
		return config, nil
	}
	return config, Usage(errors.New(
		"the configuration is wrong (run with `help` to see every variable):" + strings.Join(p.lines, "")))
}

// problems collects errors, one a variable.
type problems struct {
	variables []Variable
	environ   map[string]string
	seen      map[string]bool
	lines     []string
}

// readSecrets puts the content of each NAME_FILE under NAME.
func (p *problems) readSecrets() {
	for _, v := range p.variables {
		path := p.environ[v.Name+"_FILE"]
		if !v.Secret || path == "" {
			continue
		}
		if p.environ[v.Name] != "" {
			p.add(Invalid(v.Name, "", "is set, and "+v.Name+"_FILE too: give one of them"))
			continue
		}
		content, err := os.ReadFile(path)
		p.environ[v.Name] = strings.TrimSpace(string(content))
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			p.add(Invalid(v.Name+"_FILE", path, "cannot be read: "+pathErr.Err.Error()))
		} else if p.environ[v.Name] == "" {
			p.add(Invalid(v.Name+"_FILE", path, "is an empty file"))
		}
	}
}

// add takes an error, or several that are joined.
func (p *problems) add(err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			p.add(err)
		}
		return
	}
	err = p.explain(err)
	if v, ok := errors.AsType[*variableError](err); ok {
		name := strings.TrimSuffix(v.variable, "_FILE")
		if p.seen[name] {
			return
		}
		p.seen[name] = true
	}
	p.lines = append(p.lines, "\n  "+err.Error())
}

// explain names the variable in an error of the library, which names its field.
func (p *problems) explain(err error) error {
	missing, isMissing := errors.AsType[env.VarIsNotSetError](err)
	parse, isParse := errors.AsType[env.ParseError](err)
	for _, v := range p.variables {
		switch {
		case isMissing && v.Name == missing.Key && v.Secret:
			return Invalid(v.Name, "", "is required and not set (nor "+v.Name+"_FILE)")
		case isMissing && v.Name == missing.Key:
			return Invalid(v.Name, "", "is required and not set")
		case isParse && v.field.Name == parse.Name && v.field.Type == parse.Type && v.Secret:
			problem := strings.ReplaceAll(parseProblem(parse), p.environ[v.Name], "***")
			return Invalid(v.Name, "", problem)
		case isParse && v.field.Name == parse.Name && v.field.Type == parse.Type:
			return Invalid(v.Name, p.environ[v.Name], parseProblem(parse))
		}
	}
	return err
}

func parseProblem(err env.ParseError) string {
	if err.Type == reflect.TypeFor[slog.Level]() {
		return "is none of debug, info, warn and error"
	}
	if number, ok := err.Err.(*strconv.NumError); ok {
		switch number.Func {
		case "ParseInt":
			return "is not a whole number"
		case "ParseUint":
			return "is not a whole number of 0 or more"
		case "ParseFloat":
			return "is not a number"
		case "ParseBool":
			return "is neither true nor false"
		}
	}
	return err.Err.Error()
}

// ParseDuration reads a duration as variables have it: 5s, 500ms, 1h30m, or a number of seconds.
func ParseDuration(s string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		// Rounded, since 1.001 seconds are a little less than 1001 ms in binary.
		if d := math.Round(seconds * float64(time.Second)); d > -1<<63 && d < 1<<63 {
			return time.Duration(d), nil
		}
	} else if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	return 0, errors.New("is not a duration: write 5s, 500ms, 1h30m or a number of seconds")
}
