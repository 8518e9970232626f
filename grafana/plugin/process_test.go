package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"

	"colorstream/generator/service/servicetest"
)

// timeout is how long a test waits for what must happen.
const timeout = 30 * time.Second

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, what)
		}
	}
}

// A process is the built plugin, spoken to as Grafana does.
type process struct {
	diagnostics grpcplugin.DiagnosticsClient
	data        grpcplugin.DataClient
	stream      grpcplugin.StreamClient
	pid         int
	log         *servicetest.Output
	settings    *backend.DataSourceInstanceSettings
}

// built is the folder with the plugin's program, which TestMain makes and removes.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "colorstream-plugin-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		built = dir
		return m.Run()
	}())
}

var build = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(built, "gpx_colorstream_live")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		err = &exec.Error{Name: string(out), Err: err}
	}
	return binary, err
})

// start starts the plugin with a data source's settings; it ends with the test.
func start(t testing.TB, settings backend.DataSourceInstanceSettings) *process {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatalf("build the plugin: %v", err)
	}
	settings.UID, settings.Name, settings.ID = "live", "Live", 1
	p := &process{log: new(servicetest.Output), settings: &settings}
	client := goplugin.NewClient(&goplugin.ClientConfig{
		Cmd: exec.Command(binary),
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
		Logger:           hclog.New(&hclog.LoggerOptions{Output: p.log, Level: hclog.Warn}),
		Stderr:           p.log,
	})
	t.Cleanup(func() {
		client.Kill()
		if text := p.log.String(); t.Failed() ||
			strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic") {
			t.Errorf("the plugin printed:\n%s", text)
		}
	})
	rpc, err := client.Client()
	if err != nil {
		t.Fatalf("start the plugin: %v\n%s", err, p.log)
	}
	dispense := func(name string) any {
		raw, err := rpc.Dispense(name)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	p.diagnostics = dispense("diagnostics").(grpcplugin.DiagnosticsClient)
	p.data = dispense("data").(grpcplugin.DataClient)
	p.stream = dispense("stream").(grpcplugin.StreamClient)
	p.pid = client.ReattachConfig().Pid
	return p
}

func (p *process) context() *pluginv2.PluginContext {
	return backend.ToProto().PluginContext(backend.PluginContext{
		Namespace: "default", PluginID: pluginID, DataSourceInstanceSettings: p.settings,
	})
}

// health presses "Save & test".
func (p *process) health(t testing.TB) (ok bool, text string) {
	t.Helper()
	answer, err := p.diagnostics.CheckHealth(t.Context(),
		&pluginv2.CheckHealthRequest{PluginContext: p.context()})
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetStatus() == pluginv2.CheckHealthResponse_OK, answer.GetMessage()
}

// query asks once, for the last ten minutes.
func (p *process) query(t testing.TB, query string) (*data.Frame, error) {
	t.Helper()
	now := time.Now()
	answer, err := p.data.QueryData(t.Context(), &pluginv2.QueryDataRequest{
		PluginContext: p.context(),
		Queries: []*pluginv2.DataQuery{{
			RefId: "A", Json: []byte(query), MaxDataPoints: 1000,
			TimeRange: &pluginv2.TimeRange{
				FromEpochMS: now.Add(-10 * time.Minute).UnixMilli(), ToEpochMS: now.Add(time.Second).UnixMilli(),
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := backend.FromProto().QueryDataResponse(answer)
	if err != nil {
		t.Fatal(err)
	}
	one := all.Responses["A"]
	if one.Error != nil || len(one.Frames) == 0 {
		return nil, one.Error
	}
	return one.Frames[0], nil
}

// subscribe asks to be let in, and gives what there is to begin with.
func (p *process) subscribe(t testing.TB, path string) *data.Frame {
	t.Helper()
	answer, err := p.stream.SubscribeStream(t.Context(),
		&pluginv2.SubscribeStreamRequest{PluginContext: p.context(), Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if answer.GetStatus() != pluginv2.SubscribeStreamResponse_OK {
		t.Fatalf("subscribe to %s: %s", path, answer.GetStatus())
	}
	f, err := decode(answer.GetData())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func decode(raw []byte) (*data.Frame, error) {
	f := new(data.Frame)
	if err := json.Unmarshal(raw, f); err != nil {
		return nil, fmt.Errorf("a frame is not understood: %w: %.300s", err, raw)
	}
	return f, nil
}

// A panel is a subscription that runs.
type panel struct {
	stop func()

	mu     sync.Mutex
	frames []*data.Frame
	came   []time.Time
	raw    bytes.Buffer
}

// watch subscribes and runs, as Grafana does for a panel.
func (p *process) watch(t testing.TB, path string) *panel {
	t.Helper()
	return p.run(t, path, p.subscribe(t, path))
}

// run runs what was subscribed to, and began with a frame.
func (p *process) run(t testing.TB, path string, begin *data.Frame) *panel {
	t.Helper()
	w := new(panel)
	w.add(begin, time.Now())
	ctx, cancel := context.WithCancel(context.Background())
	run, err := p.stream.RunStream(ctx,
		&pluginv2.RunStreamRequest{PluginContext: p.context(), Path: path})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			packet, err := run.Recv()
			if err != nil {
				if ctx.Err() == nil && err != io.EOF {
					t.Errorf("the stream %s breaks: %v", path, err)
				}
				return
			}
			now := time.Now()
			f, err := decode(packet.GetData())
			if err != nil {
				t.Error(err)
				return
			}
			w.mu.Lock()
			w.raw.Write(packet.GetData())
			w.mu.Unlock()
			w.add(f, now)
		}
	}()
	w.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(w.stop)
	return w
}

func (w *panel) add(f *data.Frame, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames, w.came = append(w.frames, f), append(w.came, at)
}

// A value is one number in a panel.
type value struct {
	at    time.Time
	value float64
	came  time.Time
}

// values are a colour's, in order.
func (w *panel) values(color string) []value {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []value
	for i, f := range w.frames {
		field, _ := f.FieldByName(color)
		if field == nil {
			continue
		}
		for row := range f.Rows() {
			if v, ok := field.ConcreteAt(row); ok {
				out = append(out, value{f.Fields[0].At(row).(time.Time), v.(float64), w.came[i]})
			}
		}
	}
	return out
}

func (w *panel) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.frames)
}
