package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Every command of this folder's README is run as it stands there, but for the tests themselves.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	listen(t, client)
	commands := 0
	for line := range strings.Lines(string(text)) {
		command, ok := strings.CutPrefix(line, "    ")
		if !ok || !strings.Contains(command, "go ") || strings.Contains(command, "go test") {
			continue
		}
		commands++
		cmd := exec.Command("sh", "-c", command)
		cmd.Env = append(os.Environ(), "REDIS_URL=redis://"+m.Addr(),
			"WORKER_ADDR=127.0.0.1:1", "GENERATOR_ADDR=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if commands != 3 {
		t.Errorf("%d commands", commands)
	}
}
