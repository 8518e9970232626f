package service

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// A VariableError says what is wrong with one variable of the environment.
type VariableError struct {
	Variable string
	Value    string
	Problem  string
}

func (e *VariableError) Error() string {
	if e.Value == "" {
		return e.Variable + ": " + e.Problem
	}
	return fmt.Sprintf("%s=%q: %s", e.Variable, e.Value, e.Problem)
}

// Invalid makes a VariableError; a configuration's Validate returns them, joined if they are several. The value is
// left out of the message if it is empty, as that of a secret must be.
func Invalid(variable string, value any, problem string) error {
	return &VariableError{variable, fmt.Sprint(value), problem}
}

// ParseConfig reads the variables that C's `env` tags name into a C. All that is wrong is in the one error, a line
// each.
//
//   - A duration is Go's (5s, 500ms) or a bare number of seconds.
//   - A field with the tag `secret:"true"` may also be given as the path of a file, in the variable's name with
//     _FILE behind it; white space around the file's content is dropped. Its value never stands in an error.
//   - A set but empty variable counts as unset, as `${NAME:-}` in a compose file makes them.
//   - If C has a method Validate() error, it runs last; what it says of a variable that could not be read is left
//     out.
func ParseConfig[C any](environ map[string]string) (C, error) {
	var config C
	fields := Variables(config)
	environ, problems := readSecrets(withoutEmpty(environ), fields)
	options := env.Options{
		Environment: environ,
		FuncMap:     map[reflect.Type]env.ParserFunc{reflect.TypeFor[time.Duration](): parseDuration},
	}
	for _, f := range fields {
		problems = append(problems, f.tryParse(options)...)
	}
	if err := env.ParseWithOptions(&config, options); err != nil && len(problems) == 0 {
		problems = append(problems, err)
	}
	if v, ok := any(config).(interface{ Validate() error }); ok {
		problems = append(problems, withoutKnown(v.Validate(), problems)...)
	}
	if len(problems) > 0 {
		return config, Usage(fmt.Errorf("the configuration is wrong (run with `help` to see every variable):\n  %w",
			lines(problems)))
	}
	return config, nil
}

// lines joins errors as an indented list.
func lines(errs []error) error {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return errors.New(strings.Join(texts, "\n  "))
}

func withoutEmpty(environ map[string]string) map[string]string {
	set := maps.Clone(environ)
	maps.DeleteFunc(set, func(_, value string) bool { return value == "" })
	if set == nil {
		set = map[string]string{} // nil would mean the process's own environment
	}
	return set
}

// readSecrets puts the content of each NAME_FILE under NAME.
func readSecrets(environ map[string]string, fields []Variable) (map[string]string, []error) {
	var problems []error
	for _, f := range fields {
		path := environ[f.Name+"_FILE"]
		switch {
		case !f.Secret || path == "":
			continue
		case environ[f.Name] != "":
			problems = append(problems, Invalid(f.Name, "", "is set, and "+f.Name+"_FILE too: give one of them"))
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			reason := err
			if pathErr, ok := errors.AsType[*os.PathError](err); ok {
				reason = pathErr.Err
			}
			problems = append(problems, Invalid(f.Name+"_FILE", path, "cannot be read: "+reason.Error()))
			environ[f.Name] = "?" // so that a required one is not called missing as well
			continue
		}
		if environ[f.Name] = strings.TrimSpace(string(content)); environ[f.Name] == "" {
			problems = append(problems, Invalid(f.Name+"_FILE", path, "is an empty file"))
			environ[f.Name] = "?"
		}
	}
	return environ, problems
}

// tryParse reads one variable by itself: an error of env names the struct's field only, and two structs may have a
// field of the same name.
func (f Variable) tryParse(options env.Options) []error {
	alone := reflect.New(reflect.StructOf([]reflect.StructField{f.field}))
	err := env.ParseWithOptions(alone.Interface(), options)
	if err == nil {
		return nil
	}
	if _, missing := errors.AsType[env.VarIsNotSetError](err); missing {
		problem := "is required and not set"
		if f.Secret {
			problem += " (nor " + f.Name + "_FILE)"
		}
		return []error{Invalid(f.Name, "", problem)}
	}
	parse, ok := errors.AsType[env.ParseError](err)
	if !ok {
		return []error{err}
	}
	value, problem := options.Environment[f.Name], parseProblem(parse)
	if f.Secret {
		value, problem = "", strings.ReplaceAll(problem, value, "***")
	}
	return []error{Invalid(f.Name, value, problem)}
}

func parseProblem(err env.ParseError) string {
	if err.Type == reflect.TypeFor[slog.Level]() {
		return "is none of debug, info, warn and error"
	}
	if reflect.PointerTo(err.Type).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return err.Err.Error() // the type says it better than its kind
	}
	switch err.Type.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if err.Type != reflect.TypeFor[time.Duration]() {
			return "is not a whole number"
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "is not a whole number of 0 or more"
	case reflect.Float32, reflect.Float64:
		return "is not a number"
	case reflect.Bool:
		return "is neither true nor false"
	}
	return err.Err.Error()
}

func parseDuration(s string) (any, error) { return ParseDuration(s) }

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

// withoutKnown splits a joined error and drops what concerns variables that have a problem already.
func withoutKnown(err error, known []error) []error {
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	return slices.DeleteFunc(slices.Clone(all), func(err error) bool {
		v, ok := errors.AsType[*VariableError](err)
		return ok && slices.ContainsFunc(known, func(k error) bool {
			before, ok := errors.AsType[*VariableError](k)
			return ok && (before.Variable == v.Variable || before.Variable == v.Variable+"_FILE")
		})
	})
}
