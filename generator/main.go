// Command generator publishes colour messages on Redis: random ones at an interval or a rate, or the user's own
// from a CSV or JSON-lines file or from standard input. `generator help` lists its variables.
package main

import "colorstream/generator/service"

func main() { service.Main(run) }
