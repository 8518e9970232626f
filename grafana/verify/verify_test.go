package verify_test

import (
	"os"
	"testing"

	"colorstream/grafana/provision"
	"colorstream/grafana/query"
	"colorstream/grafana/verify"
	"colorstream/influxdb/influxtest"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

func TestShippedQueriesAnswerWhatTheyPromise(t *testing.T) {
	t.Parallel()
	set, err := provision.Load(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	db := influxtest.Shared(t).NewBucket(t)
	problems, err := verify.Queries(t.Context(), query.Client{URL: db.URL, Org: db.Org, Token: db.AdminToken}, db.Bucket, set)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}
