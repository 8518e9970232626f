package main

import (
	"context"
	"io"

	"colorstream/generator/service"
)

type status struct{ w io.Writer }

func newStatus(p service.Process, _ Config) *status { return &status{p.Stderr} }

func (s *status) Write(b []byte) (int, error) { return s.w.Write(b) }

func (s *status) follow(ctx context.Context, _ *generator) { <-ctx.Done() }
