package compose_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// A value that Compose reads from .env as another than it says ends the start, with the variable's
// name; one that reaches its program as it is does not.
func TestDollarInDotenv(t *testing.T) {
	t.Parallel()
	script := load(t).Services["dotenv"]
	check := func(t *testing.T, name, raw string) (rejected bool) {
		t.Helper()
		cmd := exec.Command(script.Entrypoint[0], append(script.Entrypoint[1:], script.Command...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "OTHER=fine", name + "=" + raw}
		out, err := cmd.CombinedOutput()
		said := strings.Join(strings.Fields(string(out)), " ")
		want := "Put the value of " + name + " in single quotes: 'pa$word'"
		wrong(t, err != nil && (!strings.Contains(said, want) || strings.Contains(said, raw)),
			"%s: it says %s", raw, said)
		return err != nil
	}
	for raw, meant := range map[string]string{
		`se$word`: `se$word`, `se$$word`: `se$$word`, `"se$HOME"`: `se$HOME`, `$x`: `$x`,
		`se\$word`: `se\$word`, ` se${x}`: `se${x}`, `'se$$word'`: `se$$word`, ` 'se$word'`: `se$word`,
		`plain`: `plain`, `"it's"`: `it's`,
	} {
		file := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(file, []byte("INFLUX_ADMIN_PASSWORD="+raw+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := dotenv.GetEnvFromFile(map[string]string{"HOME": "/root"}, []string{file})
		if err != nil {
			t.Fatal(err)
		}
		same := got["INFLUX_ADMIN_PASSWORD"] == meant
		if rejected := check(t, "INFLUX_ADMIN_PASSWORD", raw); rejected == same {
			t.Errorf("%s: Compose reads %s, rejected: %v",
				raw, got["INFLUX_ADMIN_PASSWORD"], rejected)
		}
	}
	if !check(t, "ALERT_WEBHOOK_URL", `'http://h/$x'`) { // Grafana expands it, too
		t.Error("a dollar in the address for alerts is accepted")
	}
}
