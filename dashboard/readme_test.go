package main

import (
	"testing"

	"colorstream/generator/service/servicetest"
)

func TestReadme(t *testing.T) { servicetest.CheckReadme(t, "../README.md", "dashboard", config{}) }
