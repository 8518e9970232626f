package main

import (
	"testing"

	"colorstream/generator/service/servicetest"
)

func TestVariables(t *testing.T) {
	servicetest.CheckVariables(t, "docs/variables.md", "influxdb", config{})
}
