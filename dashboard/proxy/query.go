package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a data query.
const (
	maxBody    = 64 << 10
	maxQueries = 10
	maxRange   = 400 * 24 * time.Hour
	maxPoints  = 12000 // also of range divided by interval, that is, a series' length
)

// posted is the body of POST /api/ds/query as Grafana 9.4 to 13 send it. It is read strictly: names
// are case-sensitive, and duplicate names, invalid UTF-8 and trailing data are errors. What goes up
// is the same without what is only permitted: checked values and nothing else.
type posted struct {
	Queries []postedQuery             `json:"queries"`
	From    string                    `json:"from"` // Unix milliseconds, in decimal
	To      string                    `json:"to"`
	Range   jsontext.Value            `json:"range,omitzero"` // 9.4: the same times again
	Other   map[string]jsontext.Value `json:",inline"`
}

type postedQuery struct {
	RefID         string                    `json:"refId"`
	DataSource    dataSource                `json:"datasource"`
	Query         string                    `json:"query"`
	IntervalMs    float64                   `json:"intervalMs"`
	MaxDataPoints float64                   `json:"maxDataPoints"`
	Other         map[string]jsontext.Value `json:",inline"`
}

type dataSource struct {
	Type  string                    `json:"type"`
	UID   string                    `json:"uid"`
	Other map[string]jsontext.Value `json:",inline"`
}

// is reports whether it is the InfluxDB of a uid.
func (d dataSource) is(uid string) bool { return d.Type == "influxdb" && d.UID == uid }

// idleKeys are the further keys that Grafana's scripts put on a Flux query. They are permitted, as
// are those that the dashboard's own target has, and none of them is sent on.
var idleKeys = map[string]bool{
	"datasourceId": true, "hide": true, "key": true, "queryCachingTTL": true, "queryType": true, "requestId": true,
	"adhocFilters": true, "alias": true, "groupBy": true, "limit": true, "measurement": true, "orderByTime": true,
	"policy": true, "rawQuery": true, "resultFormat": true, "select": true, "slimit": true, "tags": true, "tz": true,
}

// errUnknownQuery is returned for a body that is in order except that the dashboard has no such
// query, as far as is known.
var errUnknownQuery = errors.New("this query is not one of the dashboard's")

var (
	refID        = regexp.MustCompile(`\A[^\pC]{1,64}\z`)
	milliseconds = regexp.MustCompile(`\A[0-9]{1,13}\z`) // up to the year 2286
)

// checkQuery decides about a body of POST /api/ds/query. It returns the body that goes up; or, if
// all the queries are those of the dashboard's variables and annotations, the empty answer to them;
// or the reason to reject it.
func checkQuery(body []byte, uid string, known *dashboard) (up []byte, empty string, err error) {
	var in posted
	if err := strict.Unmarshal(body, &in); err != nil {
		return nil, "", fmt.Errorf("the body is not a query in Grafana's form: %w", err)
	}
	for name := range in.Other {
		return nil, "", fmt.Errorf("key %.40q is not permitted", name)
	}
	if len(in.Queries) == 0 || len(in.Queries) > maxQueries {
		return nil, "", fmt.Errorf("%d queries: at least 1 and at most %d are permitted",
			len(in.Queries), maxQueries)
	}
	ids := make(map[string]bool)
	unneeded := make(map[string]any)
	for _, q := range in.Queries {
		if err := checkOrigin(q, uid); err != nil {
			return nil, "", err
		}
		if ids[q.RefID] {
			return nil, "", fmt.Errorf("refId %q comes twice", q.RefID)
		}
		ids[q.RefID] = true
		if known.targets[q.Query] == nil && known.unneeded(q.Query) {
			unneeded[q.RefID] = map[string]any{"status": 200, "frames": []any{}}
		}
	}
	if len(unneeded) == len(in.Queries) {
		answer, err := json.Marshal(map[string]any{"results": unneeded})
		return nil, string(answer), err
	}
	span, err := checkTimes(in.From, in.To)
	if err != nil {
		return nil, "", err
	}
	in.Range = nil
	for i := range in.Queries {
		if err := in.Queries[i].check(span, known.targets); err != nil {
			return nil, "", err
		}
	}
	up, err = strict.Marshal(in)
	return up, "", err
}

func checkOrigin(q postedQuery, uid string) error {
	if !q.DataSource.is(uid) {
		return errors.New("this data source is not the dashboard's")
	}
	for name := range q.DataSource.Other {
		if name != "apiVersion" {
			return fmt.Errorf("key %.40q of the data source is not permitted", name)
		}
	}
	if !refID.MatchString(q.RefID) {
		return errors.New("refId must be 1 to 64 printable characters")
	}
	return nil
}

// checkTimes returns the length of a time range.
func checkTimes(from, to string) (time.Duration, error) {
	if !milliseconds.MatchString(from) || !milliseconds.MatchString(to) {
		return 0, errors.New("from and to must be Unix milliseconds")
	}
	first, _ := strconv.ParseInt(from, 10, 64) // so few digits are a number
	last, _ := strconv.ParseInt(to, 10, 64)
	if last <= first {
		return 0, errors.New("from must be before to")
	}
	if last-first > maxRange.Milliseconds() {
		return 0, fmt.Errorf("a time range of more than %v is not permitted", maxRange)
	}
	return time.Duration(last-first) * time.Millisecond, nil
}

// check checks a query's bounds and its text, and leaves nothing else of it.
func (q *postedQuery) check(span time.Duration, targets map[string]keys) error {
	q.IntervalMs, q.MaxDataPoints = math.Ceil(q.IntervalMs), math.Ceil(q.MaxDataPoints)
	if !(q.IntervalMs >= 1 && q.IntervalMs <= float64(maxRange.Milliseconds())) {
		return errors.New("intervalMs is out of bounds")
	}
	if !(q.MaxDataPoints >= 1 && q.MaxDataPoints <= maxPoints) {
		return fmt.Errorf("maxDataPoints must be 1 to %d", maxPoints)
	}
	if float64(span.Milliseconds())/q.IntervalMs > maxPoints {
		return fmt.Errorf("more than %d intervals in the time range are not permitted", maxPoints)
	}
	own := targets[q.Query]
	if own == nil {
		return errUnknownQuery
	}
	for name := range q.Other {
		if !idleKeys[name] && !own[name] {
			return fmt.Errorf("key %.40q of a query is not permitted", name)
		}
	}
	q.Other, q.DataSource.Other = nil, nil
	return nil
}
