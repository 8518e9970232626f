package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
)

// soloParameters are the parameters that a panel's address may have, with the form of their values. orgId and
// panelId are required; no parameter may come twice.
var soloParameters = map[string]*regexp.Regexp{
	"orgId":    regexp.MustCompile(`\A1\z`), // Main Org., the one that anonymous viewers see
	"panelId":  regexp.MustCompile(`\A[1-9][0-9]{0,8}\z`),
	"from":     timeParameter,
	"to":       timeParameter,
	"refresh":  regexp.MustCompile(`\A([0-9]{1,6}(ms|s|m|h|d))?\z`),
	"theme":    regexp.MustCompile(`\A(light|dark|system)\z`),
	"hideLogo": regexp.MustCompile(`\A(true|false|1|0)?\z`),
	"timezone": zoneParameter,
	"tz":       zoneParameter,
}

var (
	timeParameter = regexp.MustCompile(`\A[0-9A-Za-z:./+-]{1,40}\z`) // now-15m, now/d, milliseconds, RFC 3339
	zoneParameter = regexp.MustCompile(`\A[0-9A-Za-z_/+-]{0,64}\z`)
)

// soloQuery checks the parameters of a panel's document and returns them as they go up, in canonical form. It
// refuses what it does not know: Grafana's scripts, which read the address too, know parameters that switch
// features on.
func soloQuery(raw string, panels []int) (string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "", errors.New("malformed parameters")
	}
	for name, given := range values {
		form, ok := soloParameters[name]
		if !ok {
			return "", fmt.Errorf("parameter %.40q is not permitted", name)
		}
		if len(given) != 1 {
			return "", fmt.Errorf("parameter %s is given more than once", name)
		}
		if !form.MatchString(given[0]) {
			return "", fmt.Errorf("parameter %s has an unusual value", name)
		}
	}
	if !values.Has("orgId") {
		return "", errors.New("parameter orgId=1 is missing")
	}
	panel, err := strconv.Atoi(values.Get("panelId"))
	if err != nil || !slices.Contains(panels, panel) {
		return "", fmt.Errorf("parameter panelId must be one of %v", panels)
	}
	return values.Encode(), nil
}
