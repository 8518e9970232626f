package verify_test

import (
	"os"
	"strings"
	"testing"

	"colorstream/grafana/known"
	"colorstream/grafana/provision"
	"colorstream/grafana/query"
	"colorstream/grafana/verify"
	"colorstream/influxdb/influxtest"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

func fill(t *testing.T) *verify.Filled {
	t.Helper()
	db := influxtest.Shared(t).NewBucket(t)
	filled, err := verify.Fill(t.Context(), query.Client{URL: db.URL, Org: db.Org, Token: db.AdminToken}, db.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := filled.FillPipeline(t.Context(), influxtest.Shared(t).NewBucket(t).Bucket); err != nil {
		t.Fatal(err)
	}
	return filled
}

func TestShippedQueriesAnswerWhatTheyPromise(t *testing.T) {
	t.Parallel()
	set, err := provision.Load(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	problems, err := fill(t).Queries(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// Each query of the project's own has an answer in the oracle, and each answer
// a query.
func TestEveryShippedQueryHasAnOracle(t *testing.T) {
	t.Parallel()
	set, err := provision.Load(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	answers := known.Oracle{}.Answers("red")
	for _, q := range set.Queries() {
		own := strings.HasPrefix(q.Key, "colors/") || strings.HasPrefix(q.Key, "color/") || strings.HasPrefix(q.Key, "alert/colorstream-")
		if _, ok := answers[q.Key]; own && !ok {
			t.Errorf("%s: %s: no answer for %s in known/expect.go", q.File, q.Where, q.Key)
		}
		delete(answers, q.Key)
	}
	for key := range answers {
		t.Errorf("known/expect.go answers %s, which nobody asks", key)
	}
}
