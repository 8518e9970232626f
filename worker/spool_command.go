package main

import (
	"context"
	"errors"

	"colorstream/generator/service"
)

func spoolCommand(context.Context, service.Process, []string) error { return errors.New("not yet") }
