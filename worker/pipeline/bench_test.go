package pipeline

import (
	"log/slog"
	"testing"
	"time"

	"colorstream/generator/message"
	"colorstream/worker/window"
)

// BenchmarkMessage is all that the worker itself does with a message in the receiving goroutine: decode it, find its
// window, add it. It must not allocate.
func BenchmarkMessage(b *testing.B) {
	var payloads [400]string
	for i := range payloads {
		color := []string{"red", "blue", "green", "yellow"}[i%4]
		payloads[i] = string(message.Message{Color: color, Name: "value_name", Value: float64(i/4 + 1)}.AppendJSON(nil))
	}
	set := window.NewSet(window.Config{Width: 5 * time.Second})
	r := NewReceiver(slog.New(slog.DiscardHandler), set, nil, func(Aside) {})
	r.Begin()
	defer r.End()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Message(payloads[i%len(payloads)], int64(i)*1000, false) // a million a second
		if i%5_000_000 == 0 {
			set.Advance(int64(i) * 1000)
		}
	}
}
