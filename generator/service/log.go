package service

import (
	"fmt"
	"io"
	"log/slog"
)

// Log is the part of a configuration that shapes the log.
type Log struct {
	Level  slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	Format LogFormat  `env:"LOG_FORMAT" envDefault:"text" help:"text or json"`
}

// A LogFormat is text or json.
type LogFormat string

// UnmarshalText rejects every other word.
func (f *LogFormat) UnmarshalText(text []byte) error {
	switch *f = LogFormat(text); *f {
	case "text", "json":
		return nil
	}
	return fmt.Errorf("is neither text nor json")
}

// New makes the logger. Each line carries the program's name.
func (l Log) New(w io.Writer, program string) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.Level}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if l.Format == "json" {
		handler = slog.NewJSONHandler(w, options)
	}
	return slog.New(handler).With("program", program)
}
