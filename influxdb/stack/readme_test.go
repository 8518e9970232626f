package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every make command in the README has its target; every link leads to a file. Those under "Your
// own data" are run by the worker's tests, `make run` by this package's, docker compose by package
// compose's.
func TestReadme(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(
		"(?m)(?:`|^    )((?:[A-Z_]+=\\w+ )*make( [a-z-]+)(?: FILE=\\S+)?)(?:`|$)").
		FindAllStringSubmatch(string(text), -1)
	for _, m := range commands {
		cmd := exec.Command("sh", "-c", strings.Replace(m[1], "make", "make --dry-run", 1))
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", m[1], err, out)
		}
	}
	if len(commands) < 6 {
		t.Errorf("%d commands", len(commands))
	}
	for _, m := range regexp.MustCompile(`\]\(([^):]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("a link: %v", err)
		}
	}
}
