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

// A Variable is one of a configuration, as the tags of its field say:
//
//	Interval time.Duration `env:"GENERATOR_INTERVAL" envDefault:"1s" help:"between two messages"`
type Variable struct {
	Name     string
	Default  string
	Help     string
	Required bool
	Secret   bool // masked in logs and errors, and may be given as a file
	field    reflect.StructField
	value    string
}

// Variables lists the variables of a configuration struct in the order of its fields.
func Variables(config any) []Variable { return variables(reflect.ValueOf(config)) }

func variables(v reflect.Value) (list []Variable) {
	for field, value := range v.Fields() {
		name, option, _ := strings.Cut(field.Tag.Get("env"), ",")
		switch {
		case name != "":
			v := Variable{
				Name: name, Default: field.Tag.Get("envDefault"), Help: field.Tag.Get("help"),
				Required: option == "notEmpty", Secret: field.Tag.Get("secret") == "true", field: field,
			}
			if value = reflect.Indirect(value); value.IsValid() { // nil: not set
				v.value = fmt.Sprint(value)
			}
			list = append(list, v)
		case field.Type.Kind() == reflect.Struct:
			list = append(list, variables(value)...)
		}
	}
	return list
}

// Title is the name as tables have it: with the other one that a secret has.
func (v Variable) Title() string {
	if v.Secret {
		return v.Name + "[_FILE]"
	}
	return v.Name
}

// WriteVariables prints a configuration's variables for help.
func WriteVariables(w io.Writer, config any) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, v := range Variables(config) {
		if v.Required {
			v.Default = "(required)"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", v.Title(), v.Default, v.Help)
	}
	return t.Flush()
}

// LogValue shows a configuration in a log line: what is set, with secrets and passwords masked.
func LogValue(config any) slog.Value {
	var attrs []slog.Attr
	for _, v := range Variables(config) {
		u, err := url.Parse(v.value)
		isURL := err == nil && u.Host != ""
		switch {
		case v.value == "":
			continue
		case isURL && (!v.Secret || strings.Contains(v.Default, "://")):
			v.value = u.Redacted()
		case v.Secret || strings.Contains(v.value, "://"):
			v.value = "***"
		}
		attrs = append(attrs, slog.String(v.Name, v.value))
	}
	return slog.GroupValue(attrs...)
}

// UnknownVariables lists what the environment sets under prefix and the configuration does not
// know: most often a misspelt name, which would otherwise be ignored without a word.
func UnknownVariables(environ map[string]string, prefix string, config any) []string {
	known := make(map[string]bool)
	for _, v := range Variables(config) {
		known[v.Name], known[v.Name+"_FILE"] = true, v.Secret
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(environ)), func(name string) bool {
		return !strings.HasPrefix(name, prefix) || known[name]
	})
}
