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
	variables := Variables(config)
	environ, err := readSecrets(environ, variables)
	errs := flatten(err)
	errs = append(errs, flatten(env.ParseWithOptions(&config, env.Options{
		Environment: environ,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[time.Duration](): func(s string) (any, error) { return ParseDuration(s) },
		},
	}))...)
	if v, ok := any(config).(interface{ Validate() error }); ok {
		errs = append(errs, flatten(v.Validate())...)
	}
	if len(errs) == 0 {
		return config, nil
	}
	lines := []string{"the configuration is wrong (run with `help` to see every variable):"}
	seen := make(map[string]bool) // one error a variable: the first
	for _, err := range errs {
		err = explain(err, variables, environ)
		v, ok := errors.AsType[*variableError](err)
		if ok && seen[strings.TrimSuffix(v.variable, "_FILE")] {
			continue
		} else if ok {
			seen[strings.TrimSuffix(v.variable, "_FILE")] = true
		}
		lines = append(lines, err.Error())
	}
	return config, Usage(errors.New(strings.Join(lines, "\n  ")))
}

// readSecrets is the environment without empty variables, and with the content of each NAME_FILE
// under NAME.
func readSecrets(environ map[string]string, variables []Variable) (map[string]string, error) {
	full := make(map[string]string) // never nil, which would mean the process's own
	maps.Copy(full, environ)
	maps.DeleteFunc(full, func(_, value string) bool { return value == "" })
	var errs []error
	for _, v := range variables {
		path := full[v.Name+"_FILE"]
		if !v.Secret || path == "" {
			continue
		}
		if full[v.Name] != "" {
			problem := "is set, and " + v.Name + "_FILE too: give one of them"
			errs = append(errs, Invalid(v.Name, "", problem))
			continue
		}
		content, err := os.ReadFile(path)
		full[v.Name] = strings.TrimSpace(string(content))
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			errs = append(errs, Invalid(v.Name+"_FILE", path, "cannot be read: "+pathErr.Err.Error()))
		} else if full[v.Name] == "" {
			errs = append(errs, Invalid(v.Name+"_FILE", path, "is an empty file"))
		}
	}
	return full, errors.Join(errs...)
}

// flatten lists the errors that are joined in one.
func flatten(err error) (list []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	for _, err := range joined.Unwrap() {
		list = append(list, flatten(err)...)
	}
	return list
}

// explain names the variable in an error of the library, which names its field.
func explain(err error, variables []Variable, environ map[string]string) error {
	missing, isMissing := errors.AsType[env.VarIsNotSetError](err)
	parse, isParse := errors.AsType[env.ParseError](err)
	for _, v := range variables {
		value := environ[v.Name]
		switch isField := isParse && v.field.Name == parse.Name && v.field.Type == parse.Type; {
		case isMissing && v.Name == missing.Key && v.Secret:
			return Invalid(v.Name, "", "is required and not set (nor "+v.Name+"_FILE)")
		case isMissing && v.Name == missing.Key:
			return Invalid(v.Name, "", "is required and not set")
		case isField && v.Secret:
			return Invalid(v.Name, "", strings.ReplaceAll(parseProblem(parse), value, "***"))
		case isField:
			return Invalid(v.Name, value, parseProblem(parse))
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
