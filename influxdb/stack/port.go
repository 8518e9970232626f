package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"

	"colorstream/generator/process"
)

// checkPorts returns an error that names every port that is taken, before anything starts.
func checkPorts(parts []part) error {
	var problems []error
	for _, p := range parts {
		if p.addr == addrOff {
			continue
		}
		if err := process.Unused(p.addr); errors.Is(err, syscall.EADDRINUSE) {
			_, port, _ := net.SplitHostPort(p.addr)
			advice := fmt.Sprintf("stop what has it (`lsof -i :%s` says), or set %s to another address",
				port, p.variable)
			if slices.Contains(servers, p.name) {
				advice += ", or use what is there with STACK_EXTERNAL=" + p.name
			}
			problems = append(problems, fmt.Errorf("  port %s, where %s is to listen (%s), is in use: %s",
				port, p.name, p.addr, advice))
		} else if err != nil {
			problems = append(problems, fmt.Errorf("  %s cannot listen on %s (%s): %w",
				p.name, p.addr, p.variable, err))
		}
	}
	if problems == nil {
		return nil
	}
	return fmt.Errorf("nothing was started\n%w", errors.Join(problems...))
}
