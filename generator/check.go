package main

import (
	"context"
	"errors"

	"colorstream/generator/service"
)

func check(ctx context.Context, p service.Process) error {
	return errors.New("todo")
}
