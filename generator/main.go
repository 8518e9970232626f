// Command generator publishes colour messages on Redis: random ones at an interval or a rate, or
// the user's own from a CSV or JSON-lines file or from standard input. `generator help` lists its
// variables.
package main

import (
	"github.com/redis/go-redis/v9/logging"

	"colorstream/generator/service"
)

func main() {
	// go-redis writes a line for every failed attempt to connect; we write one for them all.
	logging.Disable()
	service.Main(run)
}
