package service

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/xhit/go-str2duration/v2"
)

// Invalid is an error in a variable, for Validate methods, which join them. An empty value is left
// out of the message, as that of a secret must be.
func Invalid(variable string, value any, problem string) error {
	if text := fmt.Sprint(value); text != "" {
		return fmt.Errorf("%s=%q: %s", variable, text, problem)
	}
	return fmt.Errorf("%s: %s", variable, problem)
}

// ParseConfig reads the variables that C's `env` tags name. All errors are reported at once.
//
//   - A duration is Go's (5s, 500ms), a number of days (30d), or a bare number of seconds.
//   - A field with the tag `secret:"true"` may be given as the path of a file, in the variable with
//     _FILE behind its name. Its value is never in an error.
//   - A set but empty variable counts as unset, as `${NAME:-}` in a compose file makes them.
//   - C's method Validate() error, if there is one, checks what types do not. It sees the default of
//     a variable that is wrong.
func ParseConfig[C any](environ map[string]string) (config C, err error) {
	variables := Variables(config)
	options := env.Options{
		Environment: map[string]string{}, // nil would mean the process's own
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[time.Duration](): func(s string) (any, error) { return parseDuration(s) },
		},
	}
	_ = env.ParseWithOptions(&config, options) // the defaults; who needs more says so below
	maps.Copy(options.Environment, environ)
	problems := readSecrets(options.Environment, variables)
	err = env.ParseWithOptions(&config, options)
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		for _, err := range all.Errors {
			problems = append(problems, explain(err, variables, options.Environment))
		}
	}
	if v, ok := any(config).(interface{ Validate() error }); ok {
		problems = append(problems, v.Validate())
	}
	if err = errors.Join(problems...); err != nil {
		err = Usage(errors.New("the configuration is wrong (run with `help` to see every variable):\n  " +
			strings.ReplaceAll(err.Error(), "\n", "\n  ")))
	}
	return config, err
}

// readSecrets puts the content of each NAME_FILE under NAME.
func readSecrets(environ map[string]string, variables []Variable) (problems []error) {
	for _, v := range variables {
		path := environ[v.Name+"_FILE"]
		if !v.Secret || path == "" {
			continue
		}
		content, err := os.ReadFile(path)
		text := strings.TrimSpace(string(content))
		switch {
		case environ[v.Name] != "":
			err = Invalid(v.Name, "", "is set, and "+v.Name+"_FILE too: give one of them")
		case err != nil:
			err = Invalid(v.Name+"_FILE", path, err.Error())
		case text == "":
			err = Invalid(v.Name+"_FILE", path, "is an empty file")
		default:
			environ[v.Name] = text
		}
		problems = append(problems, err)
	}
	return problems
}

// explain names the variable in an error of the library, which names its field.
func explain(err error, variables []Variable, environ map[string]string) error {
	missing, isMissing := errors.AsType[env.EmptyVarError](err)
	parse, isParse := errors.AsType[env.ParseError](err)
	for _, v := range variables {
		switch {
		case isMissing && v.Name == missing.Key && environ[v.Name+"_FILE"] != "":
			return nil // the file is wrong, which is said already
		case isMissing && v.Name == missing.Key:
			return Invalid(v.Title(), "", "is required and not set")
		case !isParse || v.field.Name != parse.Name || v.field.Type != parse.Type:
		case v.Secret:
			return Invalid(v.Name, "", "has a wrong value") // which the library's error may show
		default:
			return Invalid(v.Name, environ[v.Name], problem(parse))
		}
	}
	return err
}

func problem(err env.ParseError) string {
	if err.Type == reflect.TypeFor[slog.Level]() {
		return "is none of debug, info, warn and error"
	}
	number, ok := errors.AsType[*strconv.NumError](err.Err)
	if !ok {
		return err.Err.Error()
	}
	return map[string]string{
		"ParseInt": "is not a whole number", "ParseUint": "is not a whole number of 0 or more",
		"ParseFloat": "is not a number", "ParseBool": "is neither true nor false",
	}[number.Func]
}

// parseDuration reads a duration as variables have it: 5s, 500ms, 1h30m, 30d, 12w, or a number of
// seconds.
func parseDuration(s string) (time.Duration, error) {
	text := s
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		text += "s"
	}
	d, err := str2duration.ParseDuration(text)
	if err != nil {
		err = errors.New("is not a duration: write 5s, 500ms, 1h30m, 30d or a number of seconds")
	}
	return d, err
}
