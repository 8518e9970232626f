package main

import (
	"errors"
	"fmt"
	"slices"

	"colorstream/generator/service"
)

// checkPorts returns an error that names every port that is taken, before anything starts.
func checkPorts(parts []part) error {
	var problems []error
	for _, p := range parts {
		if p.addr == addrOff {
			continue
		}
		l, err := service.Listen(p.variable, p.addr)
		if err == nil {
			err = l.Close()
		} else if slices.Contains(servers, p.name) {
			err = fmt.Errorf("%w, or use what is there with STACK_EXTERNAL=%s", err, p.name)
		}
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("nothing was started\n%w", err)
	}
	return nil
}
