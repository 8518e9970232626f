package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Every command of this folder's README is run as it stands there, but for the tests themselves.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	url, _ := embedded(t)
	commands := 0
	for line := range strings.Lines(string(text)) {
		command, ok := strings.CutPrefix(line, "    ")
		if !ok || !strings.Contains(command, "go ") || strings.Contains(command, "go test") {
			continue
		}
		commands++
		cmd := exec.Command("sh", "-c", command)
		cmd.Env = append(os.Environ(), url, "WORKER_ADDR=127.0.0.1:1", "GENERATOR_ADDR=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if commands != 3 {
		t.Errorf("%d commands", commands)
	}
}
