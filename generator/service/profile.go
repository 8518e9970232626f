package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // on http.DefaultServeMux, which nothing else serves
)

// CheckLoopback rejects an address that other machines could reach. An empty one means off.
func CheckLoopback(variable, address string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return Invalid(variable, address,
		"is not an address of this machine alone, such as 127.0.0.1:6060")
}

// ServeProfiles serves net/http/pprof's profiles under /debug/pprof/ until ctx ends; without an
// address it returns at once. The address must have passed CheckLoopback: a profile shows what is
// in memory.
func ServeProfiles(ctx context.Context, log *slog.Logger, variable, address string) error {
	if address == "" {
		return nil
	}
	l, err := Listen(variable, address)
	if err != nil {
		return err
	}
	log.Warn("profiles can be read by everybody on this machine",
		"url", "http://"+l.Addr().String()+"/debug/pprof/")
	return Serve(ctx, log, l, http.DefaultServeMux)
}
