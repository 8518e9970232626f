package known

import (
	"fmt"
	"slices"
	"time"
)

// The answers about samples of the programs' metrics.

// sampled returns the samples of a name in the range, by their labels.
func (o Oracle) sampled(name string) map[string]Samples {
	out := map[string]Samples{}
	for _, s := range o.Samples {
		if s.Name == name && (s.Field == "counter" || s.Field == "gauge") && !s.At.Before(o.Start) && s.At.Before(o.Stop) {
			out[s.Labels] = append(out[s.Labels], s)
		}
	}
	return out
}

// grown is what a counter has grown by from one sample to the next: a smaller
// one has begun at zero.
func grown(from, to Sample) float64 {
	if to.Value < from.Value {
		return to.Value
	}
	return to.Value - from.Value
}

// growth of all series of a counter; false if there are none.
func (o Oracle) total(name string) (sum float64, ok bool) {
	for _, series := range o.sampled(name) {
		for i := 1; i < len(series); i++ {
			sum, ok = sum+grown(series[i-1], series[i]), true
		}
	}
	return sum, ok
}

func (o Oracle) increase(name string) func() []Row {
	return func() []Row {
		if sum, ok := o.total(name); ok {
			return []Row{{"_value": sum}}
		}
		return nil
	}
}

func (o Oracle) missing() (lost, published float64) {
	published, _ = o.total("colorstream_generator_published_total")
	unheard, _ := o.total("colorstream_generator_unheard_total")
	received, _ := o.total("colorstream_worker_received_total")
	forgotten, _ := o.total("colorstream_worker_forgotten_total")
	return published - unheard - received + forgotten, published
}

func (o Oracle) lost() []Row {
	lost, _ := o.missing()
	return []Row{{"_value": lost}}
}

func (o Oracle) unaccounted() []Row {
	lost, published := o.missing()
	return o.now(lost - published/1000)
}

// now is one row at the range's end.
func (o Oracle) now(value float64) []Row { return []Row{{"_time": o.Stop, "_value": value}} }

func (o Oracle) quarantined() []Row {
	sum, _ := o.total("colorstream_worker_points_quarantined_total")
	return o.now(sum)
}

func (o Oracle) growth() []Row {
	records := o.sampled("colorstream_worker_spool_records")[""]
	for _, s := range records {
		if s.Value == 0 {
			return o.now(0)
		}
	}
	return o.now(records[len(records)-1].Value - records[0].Value)
}

func (o Oracle) subscribed() []Row {
	series := o.sampled("colorstream_ready")["program=worker,condition=redis"]
	last := series[len(series)-1]
	if o.Stop.Sub(last.At) > time.Minute {
		return o.now(0)
	}
	return o.now(last.Value)
}

func (o Oracle) room() []Row {
	last := func(name string) float64 {
		series := o.sampled(name)[""]
		return series[len(series)-1].Value
	}
	return o.now(last("colorstream_worker_spool_disk_free_bytes") / last("colorstream_worker_spool_max_bytes"))
}

func (o Oracle) ahead() []Row {
	series := o.sampled("colorstream_worker_event_ahead_seconds")[""]
	return o.now(slices.MaxFunc(series, func(a, b Sample) int { return int(a.Value - b.Value) }).Value)
}

func (o Oracle) starts() []Row {
	var out []Row
	for labels, series := range o.sampled("process_start_time_seconds") {
		program := labels[len("program="):]
		seen := map[float64]bool{}
		for _, s := range series {
			at := time.Unix(int64(s.Value), 0).UTC()
			if !seen[s.Value] && !at.Before(o.Start) {
				out = append(out, Row{"time": at, "text": program + " started", "tags": program})
			}
			seen[s.Value] = true
		}
	}
	return out
}

func (o Oracle) broken() []Row {
	var out []Row
	series := o.sampled("colorstream_worker_windows_incomplete_total")[""]
	for i := 1; i < len(series); i++ {
		if n := grown(series[i-1], series[i]); n > 0 {
			out = append(out, Row{"time": series[i].At, "text": fmt.Sprintf("%d windows not complete", int(n)), "tags": "worker"})
		}
	}
	return out[max(0, len(out)-200):]
}

func (o Oracle) away() []Row {
	var out []Row
	series := o.sampled("influxdb_uptime_seconds")["id=x"]
	for i := 1; i < len(series); i++ {
		if d := series[i].At.Sub(series[i-1].At); d > 25*time.Second {
			out = append(out, Row{
				"time": series[i].At, "tags": "influxd",
				"text": fmt.Sprintf("nothing was measured for %d s: InfluxDB was away", int(d.Seconds())),
			})
		}
	}
	return out
}
