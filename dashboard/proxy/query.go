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

// posted is the body of POST /api/ds/query as Grafana 9.4 to 13 send it. It is read strictly: names are
// case-sensitive, and duplicate names, invalid UTF-8 and trailing data are errors.
type posted struct {
	Queries []postedQuery             `json:"queries"`
	From    string                    `json:"from"` // Unix milliseconds, in decimal
	To      string                    `json:"to"`
	Range   jsontext.Value            `json:"range"` // 9.4: the same times again; not sent on
	Other   map[string]jsontext.Value `json:",inline"`
}

type postedQuery struct {
	RefID      string `json:"refId"`
	DataSource struct {
		Type  string                    `json:"type"`
		UID   string                    `json:"uid"`
		Other map[string]jsontext.Value `json:",inline"`
	} `json:"datasource"`
	Query         string                    `json:"query"`
	IntervalMs    float64                   `json:"intervalMs"`
	MaxDataPoints float64                   `json:"maxDataPoints"`
	Other         map[string]jsontext.Value `json:",inline"`
}

// idleKeys are the further keys that Grafana's scripts put on a Flux query. They are permitted, as are those that
// the dashboard's own target has, and none of them is sent on.
var idleKeys = map[string]bool{
	"datasourceId": true, "hide": true, "key": true, "queryCachingTTL": true, "queryType": true, "requestId": true,
	"adhocFilters": true, "alias": true, "groupBy": true, "limit": true, "measurement": true, "orderByTime": true,
	"policy": true, "rawQuery": true, "resultFormat": true, "select": true, "slimit": true, "tags": true, "tz": true,
}

// sent is what goes up: the checked values and nothing else.
type sent struct {
	Queries []sentQuery `json:"queries"`
	From    string      `json:"from"`
	To      string      `json:"to"`
}

type sentQuery struct {
	RefID         string         `json:"refId"`
	DataSource    sentDataSource `json:"datasource"`
	Query         string         `json:"query"`
	IntervalMs    int64          `json:"intervalMs"`
	MaxDataPoints int64          `json:"maxDataPoints"`
}

type sentDataSource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

const dataSourceType = "influxdb"

// errUnknownQuery is returned for a body that is in order except that the dashboard has no such query, as far as
// is known.
var errUnknownQuery = errors.New("this query is not one of the dashboard's")

// A queryChecker decides which bodies of POST /api/ds/query pass.
type queryChecker struct {
	dataSource string
	limits     Limits
}

var (
	refID        = regexp.MustCompile(`\A[^\pC]{1,64}\z`)
	milliseconds = regexp.MustCompile(`\A[0-9]{1,13}\z`) // up to the year 2286
)

// check returns the body that goes up for the body that came. Two bodies that differ only in ways that do not
// matter give the same one: see the package's comment.
func (c queryChecker) check(body []byte, targets targets) ([]byte, error) {
	var in posted
	if err := strict.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("the body is not a query in Grafana's form: %w", err)
	}
	for name := range in.Other {
		return nil, fmt.Errorf("key %.40q is not permitted", name)
	}
	from, to, err := c.times(in.From, in.To)
	if err != nil {
		return nil, err
	}
	if len(in.Queries) == 0 || len(in.Queries) > c.limits.PostedQueries {
		return nil, fmt.Errorf("%d queries: at least 1 and at most %d are permitted", len(in.Queries), c.limits.PostedQueries)
	}
	out := sent{From: strconv.FormatInt(from, 10), To: strconv.FormatInt(to, 10)}
	seen := make(map[string]bool)
	for _, query := range in.Queries {
		checked, err := c.query(query, to-from, targets)
		if err != nil {
			return nil, err
		}
		if seen[checked.RefID] {
			return nil, fmt.Errorf("refId %q comes twice", checked.RefID)
		}
		seen[checked.RefID] = true
		out.Queries = append(out.Queries, checked)
	}
	return json.Marshal(out)
}

// times checks a range and widens it to whole seconds. The values are Unix milliseconds.
func (c queryChecker) times(from, to string) (int64, int64, error) {
	if !milliseconds.MatchString(from) || !milliseconds.MatchString(to) {
		return 0, 0, errors.New("from and to must be Unix milliseconds")
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("from: %w", err)
	}
	last, err := strconv.ParseInt(to, 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("to: %w", err)
	}
	if last <= first {
		return 0, 0, errors.New("from must be before to")
	}
	if time.Duration(last-first) > c.limits.Range/time.Millisecond {
		return 0, 0, fmt.Errorf("a time range of more than %v is not permitted", c.limits.Range)
	}
	const grain = int64(time.Second / time.Millisecond)
	return first / grain * grain, (last + grain - 1) / grain * grain, nil
}

func (c queryChecker) query(in postedQuery, span int64, targets targets) (sentQuery, error) {
	if in.DataSource.UID != c.dataSource || in.DataSource.Type != dataSourceType {
		return sentQuery{}, errors.New("this data source is not the dashboard's")
	}
	for name := range in.DataSource.Other {
		if name != "apiVersion" {
			return sentQuery{}, fmt.Errorf("key %.40q of the data source is not permitted", name)
		}
	}
	if !refID.MatchString(in.RefID) {
		return sentQuery{}, errors.New("refId must be 1 to 64 printable characters")
	}
	interval, points := math.Ceil(in.IntervalMs), math.Ceil(in.MaxDataPoints)
	if interval < 1 || interval > float64(c.limits.Range/time.Millisecond) {
		return sentQuery{}, errors.New("intervalMs is out of bounds")
	}
	if points < 1 || points > float64(c.limits.Points) {
		return sentQuery{}, fmt.Errorf("maxDataPoints must be 1 to %d", c.limits.Points)
	}
	if float64(span)/interval > float64(c.limits.Points) {
		return sentQuery{}, fmt.Errorf("more than %d intervals in the time range are not permitted", c.limits.Points)
	}
	own, known := targets[in.Query]
	if !known {
		return sentQuery{}, errUnknownQuery
	}
	for name := range in.Other {
		if !idleKeys[name] && !own[name] {
			return sentQuery{}, fmt.Errorf("key %.40q of a query is not permitted", name)
		}
	}
	const grain = 100
	return sentQuery{
		RefID: in.RefID, DataSource: sentDataSource{Type: dataSourceType, UID: c.dataSource}, Query: in.Query,
		IntervalMs: int64(interval), MaxDataPoints: (int64(points) + grain - 1) / grain * grain,
	}, nil
}
