package publish

import (
	"syscall"
	"testing"
	"time"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
)

// BenchmarkPublish is the top rate into a real Redis on this machine, with our own CPU time beside
// it: the rest is Redis's, which shares the cores.
func BenchmarkPublish(b *testing.B) {
	for _, transport := range []Transport{PubSub, Stream} {
		b.Run(string(transport), func(b *testing.B) {
			server := redistest.Start(b)
			client := server.Client()
			r := newRig(b, server.URL(), transport)
			m := message.Message{Color: "yellow", Name: "value_name", Value: 42}
			b.ReportAllocs()
			before := cpu(b)
			n := 0
			for b.Loop() { // a batch
				for range BatchSize {
					r.Add(m)
				}
				r.flush(b)
				if n++; n%1000 == 0 {
					client.XTrimMaxLen(b.Context(), "colors", 0) // so that Redis does not fill the memory
				}
			}
			messages := float64(r.Counts().Published)
			b.ReportMetric(messages/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/messages, "cpu-ns/message")
		})
	}
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
