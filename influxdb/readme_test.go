package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"colorstream/influxdb/influxtest"
)

// Every command of this folder's README is run as it stands there, but for the tests themselves.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	db := influxtest.Shared(t)
	commands := 0
	for line := range strings.Lines(string(text)) {
		command, ok := strings.CutPrefix(line, "    ")
		if !ok || !strings.HasPrefix(command, "go run ") && !strings.HasPrefix(command, "make -C ") {
			continue
		}
		commands++
		cmd := exec.Command("sh", "-c", command)
		cmd.Env = append(os.Environ(), "INFLUX_URL="+db.URL, "INFLUX_SCRAPE=off", "INFLUX_BUCKET=readme",
			"INFLUX_TOKEN_DIR="+filepath.Join(t.TempDir(), "tokens"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	wrong(t, commands != 3, "%d commands", commands)
}
