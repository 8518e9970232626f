package service

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
)

// A Variable describes one variable of a configuration, as the tags of its field give it:
//
//	Interval time.Duration `env:"GENERATOR_INTERVAL" envDefault:"1s" help:"time between two messages"`
type Variable struct {
	Name    string
	Default string
	Help    string
	// Required variables have no default.
	Required bool
	// Secret variables are masked in logs and may be given as a file.
	Secret bool
	field  reflect.StructField
	value  reflect.Value
}

// Variables lists the variables of a configuration struct in the order of its fields.
func Variables(config any) []Variable { return variables(reflect.ValueOf(config)) }

func variables(v reflect.Value) []Variable {
	var list []Variable
	for field, value := range v.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("env"), ",")
		if name == "" {
			if field.Type.Kind() == reflect.Struct {
				list = append(list, variables(value)...)
			}
			continue
		}
		list = append(list, Variable{
			Name:     name,
			Default:  field.Tag.Get("envDefault"),
			Help:     field.Tag.Get("help"),
			Required: slices.Contains(strings.Split(options, ","), "required"),
			Secret:   field.Tag.Get("secret") == "true",
			field:    field,
			value:    value,
		})
	}
	return list
}

// WriteVariables prints the table of a configuration's variables for a program's help.
func WriteVariables(w io.Writer, config any) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, v := range Variables(config) {
		standard := v.Default
		if v.Required {
			standard = "(required)"
		}
		name := v.Name
		if v.Secret {
			name += "[_FILE]"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", name, standard, v.Help)
	}
	return t.Flush()
}

// LogValue shows a configuration in a log line: every variable with its value, secrets and passwords masked.
func LogValue(config any) slog.Value {
	var attrs []slog.Attr
	for _, v := range Variables(config) {
		text := fmt.Sprint(v.value.Interface())
		switch {
		case text == "":
			continue
		case v.Secret && !(strings.Contains(v.Default, "://") && strings.Contains(text, "://")):
			text = "***" // whatever it looks like, if it is not meant to be a URL
		case strings.Contains(text, "://"):
			text = redactURL(text)
		}
		attrs = append(attrs, slog.String(v.Name, text))
	}
	return slog.GroupValue(attrs...)
}

// redactURL masks the password of a URL; what is not a URL is masked whole.
func redactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "***"
	}
	return u.Redacted()
}

// UnknownVariables lists what the environment sets under prefix and the configuration does not know: most often
// a misspelt name, which would otherwise be ignored without a word.
func UnknownVariables(environ map[string]string, prefix string, config any) []string {
	known := make(map[string]bool)
	for _, v := range Variables(config) {
		known[v.Name] = true
		known[v.Name+"_FILE"] = v.Secret
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		if strings.HasPrefix(name, prefix) && !known[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
