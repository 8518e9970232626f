package main

import (
	"io"
	"log/slog"
)

// newLog makes a log as Grafana reads it from a plugin's standard error: lines of JSON with names
// of their own for time, level and message.
func newLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch {
			case a.Key == slog.TimeKey:
				return slog.String("@timestamp", a.Value.Time().Format("2006-01-02T15:04:05.000000Z07:00"))
			case a.Key == slog.LevelKey:
				return slog.String("@level", a.Value.String())
			case a.Key == slog.MessageKey:
				return slog.String("@message", a.Value.String())
			case a.Value.Kind() == slog.KindDuration:
				return slog.String(a.Key, a.Value.Duration().String())
			}
			return a
		},
	}))
}
