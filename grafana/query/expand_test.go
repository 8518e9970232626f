package query_test

import (
	"strings"
	"testing"
	"time"

	"colorstream/grafana/query"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	c := query.Context{
		Start: time.Unix(1e9, 0), Stop: time.Unix(1e9+60,
			5), Every: 90 * time.Second, Bucket: "b", Org: "o",
		Variables: map[string]string{"color": `a/b "c".*`},
	}
	want := func(flux, expanded, problem string) {
		t.Helper()
		got, err := c.Expand(flux)
		if err != nil && (problem == "" || !strings.Contains(err.Error(), problem)) ||
			err == nil && problem != "" {
			t.Errorf("%s: error %v, want %q", flux, err, problem)
		}
		if got != expanded {
			t.Errorf("%s became %s, want %s", flux, got, expanded)
		}
	}
	want("v.timeRangeStart v.timeRangeStop", "2001-09-09T01:46:40Z 2001-09-09T01:47:40.000000005Z", "")
	want("every: v.windowPeriod", "every: 1m30s", "")
	want("from(bucket: v.defaultBucket, org: v.organization)", `from(bucket: "b", org: "o")`, "")
	want("=~ /^${color:regex}$/", `=~ /^a\/b "c"\.\*$/`, "")
	want("== ${color:json}", `== "a/b \"c\".*"`, "")
	want("$color [[color]]", `a/b "c".* a/b "c".*`, "")
	want("$other", "", `no variable "other"`)
	want("${color:csv}", "", "regex or json")
}
