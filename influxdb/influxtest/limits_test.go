package influxtest

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// worstQuery is what a viewer of a dashboard might send: InfluxDB without limits takes 8 GB for it.
const worstQuery = `import "generate"
generate.from(count: 20000000, fn: (n) => n,
		start: 2024-01-01T00:00:00Z, stop: 2024-02-01T00:00:00Z)
	|> sort(columns: ["_value"], desc: true)
	|> limit(n: 1)`

// Greedy queries end with an error, and meanwhile points are written and read.
func TestGreedyQueries(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	db := Start(t)
	const greedy = 9
	errs := make([]error, greedy)
	var group sync.WaitGroup
	begin := time.Now()
	for i := range greedy {
		group.Go(func() { _, errs[i] = db.TryQuery(t, db.GrafanaToken, worstQuery) })
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()

	points, slowest := 0, time.Duration(0)
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(500 * time.Millisecond):
		}
		at := time.Now()
		db.Write(t, fmt.Sprintf("color_metrics,color=red count=%di", points))
		points++
		rows := db.Query(t, `from(bucket: "`+db.Bucket+`") |> range(start: -1h) |> count()`)
		if len(rows) != 1 || rows[0]["_value"] != int64(points) {
			t.Fatalf("after %d points: %v", points, rows)
		}
		slowest = max(slowest, time.Since(at))
	}
	for _, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "memory") {
			t.Errorf("a greedy query: %v", err)
		}
	}
	if slowest > 10*time.Second { // no more than they would wait for a busy machine
		t.Errorf("a point and a short query took %v", slowest)
	}
	t.Logf("%d queries in %v; %d points, the slowest in %v; peak of influxd: %s", greedy,
		time.Since(begin).Round(time.Second), points, slowest.Round(time.Millisecond), peak(t, db))
}

// peak is the most memory that influxd had, where the system tells.
func peak(t *testing.T, db *Server) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", db.process.PID()))
	if err != nil {
		return "unknown"
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
