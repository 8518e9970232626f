package influxtest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) { Main(m) }

func TestWriteAndQuery(t *testing.T) {
	t.Parallel()
	db := Shared(t).NewBucket(t)
	db.Write(t, "m,color=red f=1.5,i=2i,b=true 1760000000000000000\nm,color=red f=2 1760000001000000000")
	got := db.Query(t, `from(bucket: "`+db.Bucket+`") |> range(start: 0)
		|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
		|> keep(columns: ["_time", "color", "f", "i", "b"])`)
	at := time.Unix(1760000000, 0).UTC()
	want := []Row{
		{"_time": at, "color": "red", "f": 1.5, "i": int64(2), "b": true},
		{"_time": at.Add(time.Second), "color": "red", "f": 2.0}, // what is empty is left out
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEachBucketIsAlone(t *testing.T) {
	t.Parallel()
	one, two := Shared(t).NewBucket(t), Shared(t).NewBucket(t)
	one.Write(t, "m f=1")
	if rows := two.Query(t, `from(bucket: "`+two.Bucket+`") |> range(start: 0)`); len(rows) != 0 {
		t.Errorf("a new bucket has %v", rows)
	}
	if err := two.TryWrite(t, one.WorkerToken, "m f=1"); err == nil ||
		!strings.Contains(err.Error(), "403") {
		t.Errorf("writing with another bucket's token: %v, want a 403", err)
	}
	if _, err := two.TryQuery(t, one.DashboardToken, `from(bucket: "`+two.Bucket+`") |> range(start: 0)`); err == nil {
		t.Error("another bucket's token reads")
	}
}

// Whoever may read a bucket must not reach the machine's other services.
func TestFluxDoesNotConnectToThisMachine(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it is reached") }))
	defer service.Close()
	db := Shared(t)
	_, err := db.TryQuery(t, db.DashboardToken, `import "experimental/http"
		import "array"
		array.from(rows: [{status: http.get(url: "`+service.URL+`").statusCode}])`)
	if err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got %v", err)
	}
}
