package main

import (
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
	goredis "github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
	"colorstream/generator/service/servicetest"
)

func TestAClosedWindowIsExact(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"pubsub", "stream"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			c := server.Client()
			s, log := start(t, settingsFor(server.URL(),
				map[string]any{"transport": transport, "window": "1s"}))
			var panels []*panel
			statistics := []string{"mean", "median", "min", "max", "count"}
			for _, statistic := range statistics {
				panels = append(panels, watch(t, s, "windows/closed/"+statistic))
			}
			messages := watch(t, s, "messages")
			servicetest.Eventually(t, "it reads", func() bool {
				return log.Count("subscribed")+log.Count("reading Redis") > 0
			})
			// Event times make it certain which window each message is in. Which windows are shown is not:
			// those that are open while this process gets no processor may miss messages, and are left out.
			at, n := time.Now().Truncate(time.Second).Add(-24*time.Hour), 0
			windows := map[int64][]float64{}
			servicetest.Eventually(t, "windows close", func() bool {
				var lines strings.Builder
				for range 40 {
					v := float64(n*7919%1000) / 4
					windows[at.Unix()] = append(windows[at.Unix()], v)
					fmt.Fprintf(&lines, `{"color":"red","name":"n","value":%v,"ts":%d}`+"\n", v, at.UnixMilli())
					at, n = at.Add(25*time.Millisecond), n+1
				}
				var err error
				if transport == "stream" {
					entry := goredis.XAddArgs{Stream: "colors", Values: []string{"m", lines.String()}}
					err = c.XAdd(t.Context(), &entry).Err()
				} else {
					err = c.Publish(t.Context(), "colors", lines.String()).Err()
				}
				if err != nil {
					t.Fatal(err)
				}
				return !slices.ContainsFunc(panels, func(w *panel) bool { return len(w.values("red")) < 8 })
			})
			for i, statistic := range statistics {
				for _, v := range panels[i].values("red") {
					want := naive(statistic, windows[v.at.Unix()])
					if math.Abs(v.value-want) > 1e-9 || v.at.Nanosecond() != 0 {
						t.Errorf("%s of the window at %v is %v, want %v", statistic, v.at, v.value, want)
					}
				}
			}
			servicetest.Eventually(t, "messages are shown", func() bool {
				return len(messages.values("red")) > 0
			})
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

func TestAReloadedPanelIsNotBlank(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	c := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	defer c.Close()
	s, _ := start(t, settingsFor("redis://"+server.Addr(), nil))
	first := watch(t, s, "windows/running/count")
	awaitSubscriber(t, c)
	servicetest.Eventually(t, "rows", func() bool { // in two windows, if one ends now
		publish(t, c, "red", 1)
		publish(t, c, "blue", 1)
		return len(first.values("red")) > 3
	})
	before := first.values("red")
	again := subscribe(t, s, "windows/running/count")
	if n := len(again.values("red")); n < len(before) {
		t.Fatalf("a reload begins with %d values, before it there were %d", n, len(before))
	}
	columns := func(w *panel, want ...string) {
		t.Helper()
		var got []string
		for _, field := range w.frames[0].Fields {
			got = append(got, field.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	columns(again, "Time", "red", "blue")

	// What comes between subscribing and the stream is in the stream.
	other, late := watch(t, s, "messages/red"), subscribe(t, s, "messages")
	shown := func(w *panel, from, to float64) float64 {
		values := w.values("red")
		i := slices.IndexFunc(values, func(v value) bool { return v.value >= from && v.value <= to })
		if i < 0 {
			return 0
		}
		return values[i].value
	}
	next := 1000.0
	servicetest.Eventually(t, "a message is shown", func() bool { // not all are, as they come fast
		next++
		publish(t, c, "red", next)
		return shown(other, 1000, next) > 0
	})
	one := shown(other, 1000, next)
	late.run(t, s, "messages")
	servicetest.Eventually(t, "and in the stream", func() bool { return shown(late, one, one) > 0 })
	columns(subscribe(t, s, "windows/running/count/blue/absent"), "Time", "blue", "absent")
}

func TestQueriesThatDoNotStream(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client()
	s, _ := start(t, settingsFor(server.URL(), nil))

	f, err := query(t, s, `{"stream":"windows","statistic":"max","colors":["red"],"live":true}`)
	if err != nil || f.Meta.Channel != "ds/live/windows/running/max/red" ||
		f.Rows() != 0 || len(f.Fields) != 2 {
		t.Errorf("a live query: %v, %+v", err, f)
	}
	if list, _ := c.ClientList(t.Context()).Result(); strings.Count(list, " addr=") != 1 {
		t.Error("a live query alone makes a connection")
	}
	if f, err = query(t, s, `{"stream":"windows","statistic":"max"}`); err != nil || f.Meta.Channel != "" {
		t.Errorf("a first query: %v, %+v", err, f)
	}
	awaitSubscriber(t, c) // it keeps on listening
	publish(t, c, "red", 41)
	publish(t, c, "red", 42)
	servicetest.Eventually(t, "the message is in the answers", func() bool {
		f, err = query(t, s, `{"stream":"windows","statistic":"max"}`)
		if err != nil {
			t.Fatal(err)
		}
		answered := panel{frames: []*data.Frame{f}, came: make([]time.Time, 1)}
		return slices.ContainsFunc(answered.values("red"), func(v value) bool { return v.value == 42 })
	})
	if field, _ := f.FieldByName("red"); field.Labels["color"] != "red" ||
		field.Config.DisplayNameFromDS != "red" {
		t.Errorf("alert rules cannot tell colours apart: %+v", field)
	}
	servicetest.Eventually(t, "both messages are in the answers", func() bool {
		f, err = query(t, s, `{"stream":"messages"}`)
		return err == nil && f.Rows() == 2
	})
	if _, err = query(t, s, `{"stream":"colours"}`); err == nil ||
		!strings.Contains(err.Error(), "running or closed, messages or rates") {
		t.Errorf("a wrong query: %v", err)
	}
	long := `{"stream":"rates","live":true,"colors":["` + strings.Repeat("x", 200) + `"]}`
	if _, err = query(t, s, long); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a query that no channel can have: %v", err)
	}
}

func TestOnlyStreamsThatThereAreAndNobodyPublishes(t *testing.T) {
	t.Parallel()
	s, _ := start(t, settingsFor("redis://127.0.0.1:1", nil))
	subscribed, err := s.SubscribeStream(t.Context(),
		&backend.SubscribeStreamRequest{Path: "windows/all"})
	if err != nil || subscribed.Status != backend.SubscribeStreamStatusNotFound {
		t.Errorf("subscribe: %v %v", subscribed, err)
	}
	published, err := s.PublishStream(t.Context(),
		&backend.PublishStreamRequest{Path: "messages", Data: []byte(`{}`)})
	if err != nil || published.Status != backend.PublishStreamStatusPermissionDenied {
		t.Errorf("publish: %v %v", published, err)
	}
}
