package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	goredis "github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

func settingsFor(url string, options map[string]any) backend.DataSourceInstanceSettings {
	raw, err := json.Marshal(options)
	if err != nil {
		panic(err)
	}
	return backend.DataSourceInstanceSettings{URL: url, JSONData: raw}
}

func publish(t testing.TB, c *goredis.Client, color string, v float64) {
	t.Helper()
	if err := c.Publish(context.Background(), "colors", fmt.Sprintf(`{"color":%q,"name":"n","value":%v}`, color, v)).Err(); err != nil {
		t.Fatal(err)
	}
}

// awaitSubscriber waits until somebody is subscribed, so that nothing is published in vain.
func awaitSubscriber(t testing.TB, c *goredis.Client) {
	t.Helper()
	eventually(t, "the plugin listens", func() bool {
		n, err := c.PubSubNumSub(context.Background(), "colors").Result()
		return err == nil && n["colors"] == 1
	})
}

func TestAClosedWindowIsExact(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"pubsub", "stream"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			c := server.Client()
			p := start(t, settingsFor(server.URL(), map[string]any{"transport": transport, "window": "1s"}))
			var panels []*panel
			statistics := []string{"mean", "median", "min", "max", "count"}
			for _, s := range statistics {
				panels = append(panels, p.watch(t, "windows/closed/"+s))
			}
			messages := p.watch(t, "messages")
			eventually(t, "it reads", func() bool {
				log := p.log.String()
				return strings.Contains(log, "subscribed") || strings.Contains(log, "reading Redis")
			})
			// Event times make it certain which window each message is in.
			begin := time.Now().Truncate(time.Second).Add(-20 * time.Second)
			sums := map[int64][]float64{}
			for i := range 400 {
				at := begin.Add(time.Duration(i) * 25 * time.Millisecond)
				v := float64((i*7919)%1000) / 4
				sums[at.Unix()] = append(sums[at.Unix()], v)
				m := fmt.Sprintf(`{"color":"red","name":"n","value":%v,"ts":%d}`, v, at.UnixMilli())
				var err error
				if transport == "stream" {
					err = c.XAdd(t.Context(), &goredis.XAddArgs{Stream: "colors", Values: []string{"m", m}}).Err()
				} else {
					err = c.Publish(t.Context(), "colors", m).Err()
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "windows close", func() bool { return len(panels[4].values("red")) >= 8 })
			for i, s := range statistics {
				eventually(t, "all statistics", func() bool { return len(panels[i].values("red")) >= 8 })
				for _, v := range panels[i].values("red") {
					if want := naive(s, sums[v.at.Unix()]); math.Abs(v.value-want) > 1e-9 ||
						v.at.Nanosecond() != 0 {
						t.Errorf("%s of the window at %v is %v, want %v", s, v.at, v.value, want)
					}
				}
			}
			eventually(t, "messages are shown", func() bool { return len(messages.values("red")) > 0 })
		})
	}
}

func naive(statistic string, values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return math.NaN()
	}
	switch statistic {
	case "median":
		return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	case "min":
		return v[0]
	case "max":
		return v[len(v)-1]
	case "count":
		return float64(len(v))
	}
	sum := 0.0
	for _, f := range v {
		sum += f
	}
	return sum / float64(len(v))
}

func TestOneConnectionForAllPanelsAndNoneWithoutAny(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client()
	p := start(t, settingsFor(server.URL(), nil))
	connections := func() int {
		list, err := c.Do(context.Background(), "client", "list", "type", "pubsub").Text()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(list, " addr=")
	}
	var panels []*panel
	for _, path := range []string{
		"windows/running/mean", "windows/running/max", "windows/closed/mean", "messages", "rates", "rates/red", "messages/red/blue",
	} {
		panels = append(panels, p.watch(t, path))
	}
	awaitSubscriber(t, c)
	if n := connections(); n != 1 {
		t.Errorf("%d connections for %d panels", n, len(panels))
	}
	for _, w := range panels {
		w.stop()
	}
	eventually(t, "no connection is left", func() bool { return connections() == 0 })
	p.watch(t, "rates")
	awaitSubscriber(t, c)
}

func TestAReloadedPanelIsNotBlank(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	c := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	defer c.Close()
	p := start(t, settingsFor("redis://"+server.Addr(), nil))
	first := p.watch(t, "windows/running/count")
	awaitSubscriber(t, c)
	eventually(t, "rows", func() bool { // in two windows, if one ends now
		publish(t, c, "red", 1)
		publish(t, c, "blue", 1)
		return len(first.values("red")) > 3
	})
	before := first.values("red")
	first.stop()
	again := p.subscribe(t, "windows/running/count")
	red, _ := again.FieldByName("red")
	if red == nil || red.Len() < len(before) {
		t.Fatalf("a reload begins with %v, before it there were %d values", again.Fields, len(before))
	}
	if diff := cmp.Diff([]string{"Time", "red", "blue"}, names(again)); diff != "" {
		t.Error(diff)
	}

	// What comes between subscribing and the stream is in the stream.
	other := p.watch(t, "messages/red")
	begin := p.subscribe(t, "messages")
	arrived := func(w *panel) func() bool {
		return func() bool {
			return slices.ContainsFunc(w.values("red"), func(v value) bool { return v.value == 1234 })
		}
	}
	eventually(t, "the message is there", func() bool { // the first panel's connection may be the last
		publish(t, c, "red", 1234)
		return arrived(other)()
	})
	eventually(t, "and in the stream", arrived(p.run(t, "messages", begin)))

	only := p.subscribe(t, "windows/running/count/blue/absent")
	if diff := cmp.Diff([]string{"Time", "blue", "absent"}, names(only)); diff != "" {
		t.Error(diff)
	}
}

func names(f *data.Frame) []string {
	var out []string
	for _, field := range f.Fields {
		out = append(out, field.Name)
	}
	return out
}

func TestQueriesThatDoNotStream(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client()
	p := start(t, settingsFor(server.URL(), nil))

	f, err := p.query(t, `{"stream":"windows","statistic":"max","colors":["red"],"live":true}`)
	if err != nil || f.Meta.Channel != "ds/live/windows/running/max/red" ||
		f.Rows() != 0 || len(f.Fields) != 2 {
		t.Errorf("a live query: %v, %+v", err, f)
	}
	if list, _ := c.ClientList(t.Context()).Result(); strings.Count(list, " addr=") != 1 {
		t.Error("a live query alone makes a connection")
	}
	begun := time.Now()
	if f, err = p.query(t, `{"stream":"windows","statistic":"max"}`); err != nil ||
		f.Meta.Channel != "" {
		t.Errorf("a first query: %v, %+v", err, f)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("a first query took %v", took)
	}
	awaitSubscriber(t, c) // it keeps on listening
	publish(t, c, "red", 41)
	publish(t, c, "red", 42)
	eventually(t, "the message is in the answers", func() bool {
		f, err = p.query(t, `{"stream":"windows","statistic":"max"}`)
		if err != nil {
			t.Fatal(err)
		}
		field, _ := f.FieldByName("red")
		for i := range f.Rows() {
			if field == nil {
				break
			}
			if v, ok := field.ConcreteAt(i); ok && v.(float64) == 42 {
				return true
			}
		}
		return false
	})
	if field, _ := f.FieldByName("red"); field.Labels["color"] != "red" ||
		field.Config.DisplayNameFromDS != "red" {
		t.Errorf("alert rules cannot tell colours apart: %+v", field)
	}
	f, err = p.query(t, `{"stream":"messages"}`)
	if err != nil || f.Rows() != 2 {
		t.Errorf("messages: %v, %+v", err, f)
	}
	if _, err = p.query(t, `{"stream":"colours"}`); err == nil ||
		!strings.Contains(err.Error(), "running or closed, messages or rates") {
		t.Errorf("a wrong query: %v", err)
	}
	long := `{"stream":"rates","live":true,"colors":["` + strings.Repeat("x", 200) + `"]}`
	if _, err = p.query(t, long); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a query that no channel can have: %v", err)
	}
}

func TestOnlyStreamsThatThereAreAndNobodyPublishes(t *testing.T) {
	t.Parallel()
	p := start(t, settingsFor("redis://127.0.0.1:1", nil))
	subscribed, err := p.stream.SubscribeStream(t.Context(),
		&pluginv2.SubscribeStreamRequest{PluginContext: p.context(), Path: "windows/all"})
	if err != nil || subscribed.GetStatus() != pluginv2.SubscribeStreamResponse_NOT_FOUND {
		t.Errorf("subscribe: %v %v", subscribed, err)
	}
	published, err := p.stream.PublishStream(t.Context(), &pluginv2.PublishStreamRequest{
		PluginContext: p.context(), Path: "messages", Data: []byte(`{}`),
	})
	if err != nil || published.GetStatus() != pluginv2.PublishStreamResponse_PERMISSION_DENIED {
		t.Errorf("publish: %v %v", published, err)
	}
}
