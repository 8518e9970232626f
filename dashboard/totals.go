package main

import "github.com/prometheus/client_golang/prometheus"

// total adds up all series of a counter.
func total(metrics prometheus.Gatherer, name string) (sum uint64) {
	families, err := metrics.Gather()
	if err != nil {
		return 0
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				sum += uint64(m.GetCounter().GetValue())
			}
		}
	}
	return sum
}
