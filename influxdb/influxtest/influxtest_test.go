package influxtest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

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
	if _, err := two.TryQuery(t, one.DashboardToken,
		`from(bucket: "`+two.Bucket+`") |> range(start: 0)`); err == nil {
		t.Error("another bucket's token reads")
	}
}

// Whoever may read a bucket must not reach the machine's other services.
func TestFluxDoesNotConnectToThisMachine(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("it is reached")
	}))
	defer service.Close()
	db := Shared(t)
	_, err := db.TryQuery(t, db.DashboardToken, `import "experimental/http"
		import "array"
		array.from(rows: [{status: http.get(url: "`+service.URL+`").statusCode}])`)
	if err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got %v", err)
	}
}
