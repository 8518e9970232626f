package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// port is one that a part will listen on.
type port struct {
	part     string
	addr     string
	variable string // says where
	example  string // another value, and whatever else may help
}

// checkPorts reports every port that is taken, before anything starts.
func checkPorts(ports []port) error {
	var problems []string
	for _, p := range ports {
		l, err := net.Listen("tcp", p.addr)
		switch {
		case err == nil:
			l.Close()
		case errors.Is(err, syscall.EADDRINUSE):
			problems = append(problems, fmt.Sprintf("%s wants to listen on %s, which another program does already: stop that, or set %s, for example %s",
				p.part, p.addr, p.variable, p.example))
		default:
			problems = append(problems, fmt.Sprintf("%s cannot listen on %s, which %s says: %v", p.part, p.addr, p.variable, err))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New("nothing was started:\n  " + strings.Join(problems, "\n  "))
}
