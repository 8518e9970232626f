package publish

import (
	"testing"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
)

// BenchmarkPublish is the top rate into a real Redis on this machine, which shares the cores.
func BenchmarkPublish(b *testing.B) {
	for _, transport := range []Transport{PubSub, Stream} {
		b.Run(string(transport), func(b *testing.B) {
			server := redistest.Start(b)
			client := server.Client()
			r := newRig(b, server.URL(), transport)
			m := message.Message{Color: "yellow", Name: "value_name", Value: 42}
			b.ReportAllocs()
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
		})
	}
}
