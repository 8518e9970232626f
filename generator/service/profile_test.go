package service_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/generator/service"
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"": true, "127.0.0.1:6060": true, "localhost:0": true, "[::1]:6060": true, "127.3.2.1:1": true,
		":6060": false, "0.0.0.0:6060": false, "10.0.0.1:6060": false, "example.com:6060": false,
		"127.0.0.1": false, "[::]:1": false,
	} {
		if err := service.CheckLoopback("X_PPROF_ADDR", address); (err == nil) != ok ||
			err != nil && !strings.Contains(err.Error(), "X_PPROF_ADDR") {
			t.Errorf("%q: %v", address, err)
		}
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	if err := service.ServeProfiles(t.Context(), log, "X_PPROF_ADDR", ""); err != nil {
		t.Errorf("off: %v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := service.ServeProfiles(t.Context(), log, "X_PPROF_ADDR", address); err == nil ||
		!strings.Contains(err.Error(), "X_PPROF_ADDR") {
		t.Errorf("a taken address: %v", err)
	}
	l.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.ServeProfiles(ctx, log, "X_PPROF_ADDR", address) }()
	var text string
	for text == "" {
		response, err := http.Get("http://" + address + "/debug/pprof/goroutine?debug=1")
		if err != nil {
			select {
			case err := <-ended:
				t.Fatal(err)
			default:
				continue
			}
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		text = string(body)
	}
	if !strings.Contains(text, "goroutine profile") {
		t.Errorf("got %.200s", text)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	var health service.Health
	health.Condition("redis", "not yet")
	health.Condition("store", "").Set(nil)
	registry := prometheus.NewRegistry()
	service.Register(registry, "tester", &health)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			program, condition := "", ""
			for _, l := range m.Label {
				switch l.GetName() {
				case "program":
					program = l.GetValue()
				case "condition":
					condition = l.GetValue()
				}
			}
			if program != "tester" {
				t.Errorf("%s does not say whose it is: %v", f.GetName(), m.Label)
			}
			got[f.GetName()+condition] = m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"colorstream_build_info": 1, "colorstream_readyredis": 0, "colorstream_readystore": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if got["go_goroutines"] < 1 {
		t.Error("there are no goroutines")
	}
}
