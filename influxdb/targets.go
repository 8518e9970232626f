package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// targetsOff is the INFLUX_SCRAPE that means no scrapers.
const targetsOff = "off"

// targets maps names of scrapers to the addresses that they read.
type targets map[string]string

func (t *targets) UnmarshalText(text []byte) error {
	*t = targets{}
	if string(text) == targetsOff {
		return nil
	}
	for pair := range strings.SplitSeq(string(text), ",") {
		name, address, _ := strings.Cut(strings.TrimSpace(pair), "=")
		u, err := url.Parse(address)
		if name == "" || err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("is not a list like worker=http://127.0.0.1:8051/metrics,page=http://127.0.0.1:8050/metrics, nor the word off")
		}
		if (*t)[name] != "" {
			return fmt.Errorf("has two targets called %q", name)
		}
		(*t)[name] = address
	}
	return nil
}

// standardTargets are the programs and InfluxDB where they listen by
// themselves, all on one machine.
func standardTargets() targets {
	return targets{
		"generator": "http://127.0.0.1:8052/metrics", "worker": "http://127.0.0.1:8051/metrics",
		"page": "http://127.0.0.1:8050/metrics", "influxdb": "http://127.0.0.1:8086/metrics",
	}
}

func (t targets) String() string {
	if t == nil {
		return ""
	}
	if len(t) == 0 {
		return targetsOff
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		pairs = append(pairs, name+"="+t[name])
	}
	return strings.Join(pairs, ",")
}
