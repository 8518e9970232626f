package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"

	"colorstream/generator/service/servicetest"
)

// build builds the plugin's program.
func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "gpx_colorstream_live")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v\n%s", err, out)
	}
	return binary
}

// The program is spoken to as Grafana does, and logs as Grafana reads it.
func TestTheProgram(t *testing.T) {
	t.Parallel()
	log := new(servicetest.Output)
	client := goplugin.NewClient(&goplugin.ClientConfig{
		Cmd: exec.Command(build(t)),
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: grpcplugin.ProtocolVersion,
			MagicCookieKey:  grpcplugin.MagicCookieKey, MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{grpcplugin.ProtocolVersion: {
			"diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{},
			"data":        &grpcplugin.DataGRPCPlugin{},
			"stream":      &grpcplugin.StreamGRPCPlugin{},
		}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Warn}),
		Stderr:           log,
	})
	t.Cleanup(client.Kill)
	rpc, err := client.Client()
	if err != nil {
		t.Fatalf("start the plugin: %v\n%s", err, log)
	}
	dispense := func(name string) any {
		raw, err := rpc.Dispense(name)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	settings := settingsFor("redis://127.0.0.1:1", nil)
	settings.ID = 1
	at := backend.ToProto().PluginContext(backend.PluginContext{
		PluginID: pluginID, DataSourceInstanceSettings: &settings,
	})
	health, err := dispense("diagnostics").(grpcplugin.DiagnosticsClient).CheckHealth(t.Context(),
		&pluginv2.CheckHealthRequest{PluginContext: at})
	if err != nil || !strings.Contains(health.GetMessage(), "nothing listens there") {
		t.Errorf("health: %v, %v", health, err)
	}
	answer, err := dispense("data").(grpcplugin.DataClient).QueryData(t.Context(),
		&pluginv2.QueryDataRequest{
			PluginContext: at, Queries: []*pluginv2.DataQuery{{
				RefId: "A", Json: []byte(`{"live":true}`), TimeRange: new(pluginv2.TimeRange),
			}},
		})
	if err != nil || answer.GetResponses()["A"].GetError() != "" {
		t.Errorf("a query: %v, %v", answer, err)
	}
	_, err = dispense("stream").(grpcplugin.StreamClient).RunStream(t.Context(),
		&pluginv2.RunStreamRequest{
			PluginContext: at, Path: "messages",
		})
	if err != nil {
		t.Fatal(err)
	}
	servicetest.Eventually(t, "a log line", func() bool {
		return strings.Contains(log.String(), "[WARN]  gpx_colorstream_live: not connected to Redis")
	})
}
