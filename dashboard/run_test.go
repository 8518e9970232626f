package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"

	"colorstream/generator/certs/certstest"
	"colorstream/generator/process"
	"colorstream/generator/service"
	"colorstream/generator/service/servicetest"
	"colorstream/influxdb/influxtest"
)

// start runs the program with a command line.
func start(t *testing.T, args []string, variables ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = run(t.Context(), service.Process{
		Args: args, Environ: env.ToMap(variables), Stdout: &out,
		Stderr: t.Output(),
	})
	return out.String(), err
}

func TestCommandLine(t *testing.T) {
	if out, err := start(t, []string{"help"}); err != nil ||
		!strings.Contains(out, "INFLUX_TOKEN[_FILE]") || !strings.Contains(out, "healthcheck") {
		t.Errorf("help: %v, %s", err, out)
	}
	if out, err := start(t, []string{"version"}); err != nil || strings.TrimSpace(out) == "" {
		t.Errorf("version: %v, %s", err, out)
	}
	usage := func(want string, args []string, variables ...string) {
		t.Helper()
		_, err := start(t, args, variables...)
		exit, ok := errors.AsType[*service.ExitError](err)
		if !ok || exit.Status != 2 || !strings.Contains(err.Error(), want) {
			t.Errorf("%q with %q: %v, want %s", args, variables, err, want)
		}
	}
	token := "INFLUX_TOKEN=x"
	usage(`there is no command "serve"`, []string{"serve"}, token)
	usage(`["b"] cannot stand behind help`, []string{"help", "b"})
	usage("INFLUX_TOKEN[_FILE]: is required and not set", nil)
	usage(`INFLUX_URL="localhost:8086": is not an address`, nil, token, "INFLUX_URL=localhost:8086")
	usage(`GRAFANA_URL="http://x/grafana": must be without a path`,
		nil, token, "GRAFANA_URL=http://x/grafana")
	usage(`DASHBOARD_GRAFANA_UID="../x": must be 1 to 40`, nil, token, "DASHBOARD_GRAFANA_UID=../x")
	usage("DASHBOARD_PASSWORD: must be set when DASHBOARD_USER is", nil, token, "DASHBOARD_USER=me")
	usage("DASHBOARD_USER: must be set when DASHBOARD_PASSWORD is",
		nil, token, "DASHBOARD_PASSWORD=sesame")
	usage(`DASHBOARD_REFRESH="0s": must be at least 500ms`, nil, token, "DASHBOARD_REFRESH=0")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t)
	grafana := newStandIn(t)
	good := []string{
		"INFLUX_URL=" + db.URL, "INFLUX_BUCKET=" + db.Bucket,
		"INFLUX_TOKEN=" + db.DashboardToken, "GRAFANA_URL=" + grafana.URL,
	}
	out, err := start(t, []string{"check"}, good...)
	if err != nil || !strings.Contains(out, "ok    influxdb") ||
		!strings.Contains(out, "ok    grafana") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = start(t, []string{"check"},
		append(good, "INFLUX_TOKEN=wrong", "DASHBOARD_GRAFANA_UID=other")...)
	if err == nil || !strings.Contains(out, "FAIL  influxdb  InfluxDB rejects the page's token") ||
		!strings.Contains(out, "no dashboard with uid \"other\"") {
		t.Errorf("%v\n%s", err, out)
	}
}

// InfluxDB's certificate is of a private authority, and it asks for the page's.
func TestTLS(t *testing.T) {
	t.Parallel()
	db, ours, theirs := influxtest.Shared(t), certstest.New(t), certstest.New(t)
	files := ours.Issue(t, t.TempDir())
	good := []string{
		"INFLUX_URL=" + ours.ServeFor(t, db.URL).URL, "INFLUX_BUCKET=" + db.Bucket,
		"INFLUX_TOKEN=" + db.DashboardToken, "GRAFANA_URL=http://" + process.FreeAddr(),
		"INFLUX_CERT_FILE=" + files.Cert, "INFLUX_KEY_FILE=" + files.Key,
	}
	out, err := start(t, []string{"check"}, append(good, "INFLUX_CA_FILE="+files.CA)...)
	if err != nil || !strings.Contains(out, "ok    influxdb") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = start(t, []string{"check"}, append(good, "INFLUX_CA_FILE="+theirs.File)...)
	if err == nil || !strings.Contains(out, `INFLUX_CA_FILE="`+theirs.File+`"`) {
		t.Errorf("a wrong authority: %v\n%s", err, out)
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	s := newStack(t, noGrafana, "DASHBOARD_USER=viewer", "DASHBOARD_PASSWORD=sesame")
	s.write(t, point("red", 1, 40), point("red", 0, 42))
	if _, err := start(t, []string{"healthcheck"}, "DASHBOARD_ADDR="+s.address()); err != nil {
		t.Error(err)
	}
	check := func(path string, status int, contentType, want string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("viewer", "sesame")
		servicetest.Eventually(t, path+" answers as it should", func() bool {
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			return err == nil && response.StatusCode == status && strings.Contains(string(body), want) &&
				strings.HasPrefix(response.Header.Get("Content-Type"), contentType)
		})
	}
	check("/latest", 200, "application/json", `"mean":42,`)
	check("/", 200, "text/html", `data-color="red"`)
	check("/latest.csv", 200, "text/csv", "red,")
	check("/chart.svg?stat=mean&range=5m&tz=Europe/Berlin", 200, "image/svg+xml", "red")
	check("/static/page.js", 200, "text/javascript", "EventSource")
	check("/healthz", 200, "text/plain", fmt.Sprint("ok ", os.Getpid()))
	check("/readyz", 200, "application/json", `"ready":true`)
	check("/metrics", 200, "text/plain", "colorstream_sse_clients 0")
	// All else is the proxy's to judge, as it came.
	check("/api/admin/settings", 404, "", "")
	check("//latest", 400, "", "")
	check("/static/../latest", 400, "", "")
	if status, _ := s.get(t, "/latest"); status != http.StatusUnauthorized {
		t.Errorf("without the password: %d", status)
	}
	if status, _ := s.get(t, "/healthz"); status != http.StatusOK {
		t.Errorf("a container's check without the password: %d", status)
	}
}

// The program starts and says what is wrong when InfluxDB is not there, and a taken port ends it at
// once.
func TestStartsWithoutInfluxDB(t *testing.T) {
	t.Parallel()
	address := process.FreeAddr()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	environ := env.ToMap([]string{
		"INFLUX_URL=http://" + process.FreeAddr(),
		"GRAFANA_URL=http://" + process.FreeAddr(), "INFLUX_TOKEN=x", "DASHBOARD_ADDR=" + address,
	})
	go func() {
		ended <- run(ctx, service.Process{Environ: environ, Stdout: io.Discard, Stderr: t.Output()})
	}()
	s := &stack{URL: "http://" + address}
	s.await(t, "/readyz", "connection is refused")
	if status, body := s.get(t, "/"); status != 200 ||
		!strings.Contains(body, "InfluxDB does not answer") {
		t.Errorf("the page: %d", status)
	}
	if status, body := s.get(t, "/chart.svg"); status != 503 ||
		!strings.Contains(body, "InfluxDB does not answer") {
		t.Errorf("the chart: %d %s", status, body)
	}
	if _, err := start(t, nil, "INFLUX_TOKEN=x", "DASHBOARD_ADDR="+address); err == nil ||
		!strings.Contains(err.Error(), "set DASHBOARD_ADDR to another") {
		t.Errorf("a second one at the same address: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
