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
	value    reflect.Value
}

// Variables lists the variables of a configuration struct in the order of its fields.
func Variables(config any) []Variable { return variables(reflect.ValueOf(config)) }

func variables(v reflect.Value) (list []Variable) {
	for field, value := range v.Fields() {
		name, option, _ := strings.Cut(field.Tag.Get("env"), ",")
		switch {
		case name != "":
			list = append(list, Variable{
				Name: name, Default: field.Tag.Get("envDefault"), Help: field.Tag.Get("help"),
				Required: option == "required", Secret: field.Tag.Get("secret") == "true",
				field: field, value: value,
			})
		case field.Type.Kind() == reflect.Struct:
			list = append(list, variables(value)...)
		}
	}
	return list
}

// WriteVariables prints a configuration's variables for help.
func WriteVariables(w io.Writer, config any) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, v := range Variables(config) {
		if v.Required {
			v.Default = "(required)"
		}
		if v.Secret {
			v.Name += "[_FILE]"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", v.Name, v.Default, v.Help)
	}
	return t.Flush()
}

// LogValue shows a configuration in a log line: what is set, with secrets and passwords masked.
func LogValue(config any) slog.Value {
	var attrs []slog.Attr
	for _, v := range Variables(config) {
		text := ""
		if v.value = reflect.Indirect(v.value); v.value.IsValid() { // nil: not set
			text = fmt.Sprint(v.value.Interface())
		}
		isURL := strings.Contains(text, "://")
		if u, err := url.Parse(text); isURL &&
			err == nil && (!v.Secret || strings.Contains(v.Default, "://")) {
			text = u.Redacted()
		} else if text != "" && (isURL || v.Secret) {
			text = "***"
		}
		if text != "" {
			attrs = append(attrs, slog.String(v.Name, text))
		}
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
