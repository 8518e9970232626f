package service

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Invalid is an error in a variable, for Validate methods, which join them. An empty value is left
// out of the message, as that of a secret must be.
func Invalid(variable string, value any, problem string) error {
	if text := fmt.Sprint(value); text != "" {
		return fmt.Errorf("%s=%q: %s", variable, text, problem)
	}
	return fmt.Errorf("%s: %s", variable, problem)
}

// variableName is how Invalid's message begins.
var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]+`)

// ParseConfig reads the variables that C's `env` tags name. All errors are reported at once.
//
//   - A duration is Go's (5s, 500ms), a number of days (30d), or a bare number of seconds.
//   - A field with the tag `secret:"true"` may be given as the path of a file, in the variable with
//     _FILE behind its name. Its value is never in an error.
//   - A set but empty variable counts as unset, as `${NAME:-}` in a compose file makes them.
//   - C's method Validate() error, if there is one, checks what types do not.
func ParseConfig[C any](environ map[string]string) (C, error) {
	var config C
	variables := Variables(config)
	environ, errs := readSecrets(environ, variables)
	err := env.ParseWithOptions(&config, env.Options{
		Environment: environ,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[time.Duration](): func(s string) (any, error) { return ParseDuration(s) },
		},
	})
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		for _, err := range all.Errors {
			errs = append(errs, explain(err, variables, environ))
		}
	}
	if v, ok := any(config).(interface{ Validate() error }); ok {
		errs = append(errs, v.Validate())
	}
	if err = errors.Join(errs...); err == nil {
		return config, nil
	}
	lines := []string{"the configuration is wrong (run with `help` to see every variable):"}
	seen := make(map[string]bool) // one error a variable: the first
	for line := range strings.SplitSeq(err.Error(), "\n") {
		variable := strings.TrimSuffix(variableName.FindString(line), "_FILE")
		if variable == "" || !seen[variable] {
			lines = append(lines, line)
		}
		seen[variable] = true
	}
	return config, Usage(errors.New(strings.Join(lines, "\n  ")))
}

// readSecrets is the environment without empty variables, and with the content of each NAME_FILE
// under NAME.
func readSecrets(
	environ map[string]string, variables []Variable,
) (full map[string]string, errs []error) {
	full = make(map[string]string) // never nil, which would mean the process's own
	maps.Copy(full, environ)
	maps.DeleteFunc(full, func(_, value string) bool { return value == "" })
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
	return full, errs
}

// explain names the variable in an error of the library, which names its field.
func explain(err error, variables []Variable, environ map[string]string) error {
	missing, isMissing := errors.AsType[env.VarIsNotSetError](err)
	parse, isParse := errors.AsType[env.ParseError](err)
	for _, v := range variables {
		switch {
		case isMissing && v.Name == missing.Key && v.Secret:
			return Invalid(v.Name, "", "is required and not set (nor "+v.Name+"_FILE)")
		case isMissing && v.Name == missing.Key:
			return Invalid(v.Name, "", "is required and not set")
		case !isParse || v.field.Name != parse.Name || v.field.Type != parse.Type:
		case v.Secret:
			return Invalid(v.Name, "", strings.ReplaceAll(parseProblem(parse), environ[v.Name], "***"))
		default:
			return Invalid(v.Name, environ[v.Name], parseProblem(parse))
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

// ParseDuration reads a duration as variables have it: 5s, 500ms, 1h30m, 30d, 12w, or a number of
// seconds.
func ParseDuration(s string) (time.Duration, error) {
	number, unit := s, time.Second
	if days, ok := strings.CutSuffix(s, "d"); ok {
		number, unit = days, 24*time.Hour
	} else if weeks, ok := strings.CutSuffix(s, "w"); ok {
		number, unit = weeks, 7*24*time.Hour
	}
	if n, err := strconv.ParseFloat(number, 64); err == nil {
		// Rounded, since 1.001 seconds are a little less than 1001 ms in binary.
		if d := math.Round(n * float64(unit)); d > -1<<63 && d < 1<<63 {
			return time.Duration(d), nil
		}
	} else if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	return 0, errors.New("is not a duration: write 5s, 500ms, 1h30m, 30d or a number of seconds")
}
