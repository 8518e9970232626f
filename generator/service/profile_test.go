package service

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	profiles := func(ctx context.Context, address string) error {
		return ServeProfiles(ctx, log, "X_PPROF_ADDR", address)
	}
	if err := profiles(t.Context(), ""); err != nil {
		t.Errorf("off: %v", err)
	}
	taken, _, _ := serve(t, http.NotFoundHandler())
	for address, want := range map[string]string{
		":0": "this machine alone", "0.0.0.0:0": "this machine alone", "[::]:0": "this machine alone",
		"127.0.0.1": "missing port", taken: "in use",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // it serves none of them
		defer cancel()
		if err := profiles(ctx, address); err == nil ||
			!strings.Contains(err.Error(), "X_PPROF_ADDR") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", address, err, want)
		}
	}

	free, stop, done := serve(t, http.NotFoundHandler())
	stop()
	<-done
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- profiles(ctx, free) }()
	for text := ""; !strings.Contains(text, "goroutine profile"); {
		select {
		case err := <-ended:
			t.Fatal(err)
		default:
			_, text = fetch("http://" + free + "/debug/pprof/goroutine?debug=1")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What all programs measure says whose it is.
func TestRegister(t *testing.T) {
	t.Parallel()
	var health Health
	health.Condition("redis", "not yet")
	health.Condition("store", "").Set(nil)
	registry := prometheus.NewRegistry()
	Register(registry, "tester", &health)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["program"] != "tester" {
				t.Errorf("%s does not say whose it is: %v", f.GetName(), m.Label)
			}
			got[f.GetName()+labels["condition"]] = m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"colorstream_build_info": 1, "colorstream_readyredis": 0, "colorstream_readystore": 1,
	} {
		if value, ok := got[name]; value != want || !ok {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
	if got["go_goroutines"] < 1 {
		t.Error("there are no goroutines")
	}
}
