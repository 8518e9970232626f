package proxy

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"time"

	strict "github.com/go-json-experiment/json"
)

// Bounds of a data query.
const (
	maxBody    = 64 << 10
	maxQueries = 10
	maxRange   = 400 * 24 * time.Hour
	maxPoints  = 12000 // also of range divided by interval, that is, a series' length
)

// posted is what counts of the body of POST /api/ds/query as Grafana 9.4 to 13 send it: with
// checked values it is also all that goes up. It is read strictly: names are case-sensitive, and
// duplicate names, invalid UTF-8 and trailing data are errors.
type posted struct {
	Queries []postedQuery `json:"queries"`
	From    string        `json:"from"` // Unix milliseconds, in decimal
	To      string        `json:"to"`
}

type postedQuery struct {
	RefID         string     `json:"refId"`
	DataSource    dataSource `json:"datasource"`
	Query         string     `json:"query"`
	IntervalMs    float64    `json:"intervalMs"`
	MaxDataPoints float64    `json:"maxDataPoints"`
}

type dataSource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

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
		return nil, "", forbidden("the body is not a query in Grafana's form: %v", err)
	}
	if len(in.Queries) == 0 || len(in.Queries) > maxQueries {
		return nil, "", forbidden("%d queries: at least 1 and at most %d are permitted",
			len(in.Queries), maxQueries)
	}
	ids, unneeded := make(map[string]bool), make(map[string]any)
	for _, q := range in.Queries {
		switch {
		case q.DataSource != dataSource{"influxdb", uid}:
			return nil, "", forbidden("this data source is not the dashboard's")
		case !refID.MatchString(q.RefID), ids[q.RefID]:
			return nil, "", forbidden("refId %.64q must be 1 to 64 printable characters, and come once",
				q.RefID)
		case !known.targets[q.Query] && known.unneeded(q.Query):
			unneeded[q.RefID] = map[string]any{"status": 200, "frames": []any{}}
		}
		ids[q.RefID] = true
	}
	if len(unneeded) == len(in.Queries) {
		answer, err := json.Marshal(map[string]any{"results": unneeded})
		return nil, string(answer), err
	}
	span, err := checkTimes(in.From, in.To)
	if err != nil {
		return nil, "", err
	}
	for i := range in.Queries {
		if err := in.Queries[i].check(span, known); err != nil {
			return nil, "", err
		}
	}
	up, err = strict.Marshal(in)
	return up, "", err
}

// checkTimes returns the length of a time range.
func checkTimes(from, to string) (time.Duration, error) {
	if !milliseconds.MatchString(from) || !milliseconds.MatchString(to) {
		return 0, forbidden("from and to must be Unix milliseconds")
	}
	first, _ := strconv.ParseInt(from, 10, 64) // so few digits are a number
	last, _ := strconv.ParseInt(to, 10, 64)
	if last <= first || last-first > maxRange.Milliseconds() {
		return 0, forbidden("from must be before to, by at most %v", maxRange)
	}
	return time.Duration(last-first) * time.Millisecond, nil
}

// check checks a query's bounds and its text.
func (q *postedQuery) check(span time.Duration, known *dashboard) error {
	q.IntervalMs, q.MaxDataPoints = math.Ceil(q.IntervalMs), math.Ceil(q.MaxDataPoints)
	switch {
	case !(q.IntervalMs >= 1 && q.IntervalMs <= float64(maxRange.Milliseconds())),
		float64(span.Milliseconds())/q.IntervalMs > maxPoints:
		return forbidden("intervalMs must be 1 or more, and give at most %d intervals", maxPoints)
	case !(q.MaxDataPoints >= 1 && q.MaxDataPoints <= maxPoints):
		return forbidden("maxDataPoints must be 1 to %d", maxPoints)
	case !known.targets[q.Query]:
		return forbidden("this query is not one of the dashboard's")
	}
	return nil
}
