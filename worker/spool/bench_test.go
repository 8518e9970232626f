package spool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// One record, on disk when it returns: what a window costs.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{400, 1 << 20} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			s := open(b, b.TempDir())
			data := bytes.Repeat([]byte("x"), size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Append(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// How fast a backlog on disk can be read.
func BenchmarkDrain(b *testing.B) {
	for _, size := range []int{400, 1 << 20} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			dir := b.TempDir()
			content := []byte(segmentMagic)
			for len(content) < DefaultSegmentBytes {
				content = appendRecord(content, int64(len(content)), unixNano(1), bytes.Repeat([]byte("x"), size))
			}
			for i := range 8 {
				if err := os.WriteFile(filepath.Join(dir, segmentName(uint64(i+1), stateSealed)), content, 0o600); err != nil {
					b.Fatal(err)
				}
			}
			s := open(b, dir)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				_, ok, err := s.TryNext()
				if err != nil {
					b.Fatal(err)
				}
				if !ok {
					s.Rewind()
				}
			}
		})
	}
}
