package main

import (
	"context"
	"log/slog"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
)

// A logHandler hands records to Grafana's log, which takes them as the SDK wants.
type logHandler struct {
	log   log.Logger
	attrs []any
}

func (logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	args := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		args = append(args, a.Key, a.Value.String())
		return true
	})
	switch {
	case r.Level >= slog.LevelError:
		h.log.Error(r.Message, args...)
	case r.Level >= slog.LevelWarn:
		h.log.Warn(r.Message, args...)
	default:
		h.log.Info(r.Message, args...)
	}
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		h.attrs = append(h.attrs, a.Key, a.Value.String())
	}
	return h
}

// WithGroup leaves groups out: nothing that logs here uses them.
func (h logHandler) WithGroup(string) slog.Handler { return h }
