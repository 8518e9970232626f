package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	goredis "github.com/redis/go-redis/v9"

	"colorstream/generator/service/servicetest"
)

func settingsFor(url string, options map[string]any) backend.DataSourceInstanceSettings {
	raw, err := json.Marshal(options)
	if err != nil {
		panic(err)
	}
	return backend.DataSourceInstanceSettings{UID: "live", URL: url, JSONData: raw}
}

// start makes a data source, and gives what it logs.
func start(
	t testing.TB, settings backend.DataSourceInstanceSettings,
) (*source, *servicetest.Output) {
	t.Helper()
	log := new(servicetest.Output)
	s, err := open(newLog(log), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("it logged:\n%s", log)
		}
	})
	return s, log
}

func publish(t testing.TB, c *goredis.Client, color string, v float64) {
	t.Helper()
	text := fmt.Sprintf(`{"color":%q,"name":"n","value":%v}`, color, v)
	if err := c.Publish(context.Background(), "colors", text).Err(); err != nil {
		t.Fatal(err)
	}
}

// keepPublishing publishes again and again until the test ends.
func keepPublishing(t *testing.T, c *goredis.Client, channel, payload string) {
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for t.Context().Err() == nil {
			c.Publish(t.Context(), channel, payload)
			time.Sleep(20 * time.Millisecond)
		}
	})
	t.Cleanup(publishing.Wait)
}

// awaitSubscriber waits until somebody is subscribed, so that nothing is published in vain.
func awaitSubscriber(t testing.TB, c *goredis.Client) {
	t.Helper()
	servicetest.Eventually(t, "the plugin listens", func() bool {
		n, err := c.PubSubNumSub(context.Background(), "colors").Result()
		return err == nil && n["colors"] == 1
	})
}

// query asks once, for the last ten minutes.
func query(t testing.TB, s *source, query string) (*data.Frame, error) {
	t.Helper()
	now := time.Now()
	all, err := s.QueryData(t.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{{
		RefID: "A", JSON: []byte(query),
		TimeRange: backend.TimeRange{From: now.Add(-10 * time.Minute), To: now.Add(time.Second)},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	one := all.Responses["A"]
	if one.Error != nil {
		return nil, one.Error
	}
	return one.Frames[0], nil
}

// A panel is a subscription that runs.
type panel struct {
	stop func()

	mu     sync.Mutex
	frames []*data.Frame
	came   []time.Time
	raw    bytes.Buffer
}

// subscribe asks to be let in, and gives a panel with what there is to begin with.
func subscribe(t testing.TB, s *source, path string) *panel {
	t.Helper()
	answer, err := s.SubscribeStream(t.Context(), &backend.SubscribeStreamRequest{Path: path})
	if err != nil || answer.Status != backend.SubscribeStreamStatusOK {
		t.Fatalf("subscribe to %s: %v, %v", path, answer, err)
	}
	w := new(panel)
	if err := w.Send(&backend.StreamPacket{Data: answer.InitialData.Data()}); err != nil {
		t.Fatal(err)
	}
	return w
}

// watch subscribes and runs, as Grafana does for a panel.
func watch(t testing.TB, s *source, path string) *panel {
	t.Helper()
	w := subscribe(t, s, path)
	w.run(t, s, path)
	return w
}

func (w *panel) run(t testing.TB, s *source, path string) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		err := s.RunStream(ctx, &backend.RunStreamRequest{Path: path}, backend.NewStreamSender(w))
		if err != nil {
			t.Errorf("the stream %s breaks: %v", path, err)
		}
	})
	w.stop = func() { cancel(); running.Wait() }
	t.Cleanup(w.stop)
}

// Send takes a frame. A panel is a [backend.StreamPacketSender].
func (w *panel) Send(packet *backend.StreamPacket) error {
	f := new(data.Frame)
	if err := json.Unmarshal(packet.Data, f); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.raw.Write(packet.Data)
	w.frames, w.came = append(w.frames, f), append(w.came, time.Now())
	return nil
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
