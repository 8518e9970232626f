// Command dashboard serves the page that shows the newest statistics of every colour.
// Run it with `help` to see what it reads from the environment.
package main

import "colorstream/generator/service"

func main() { service.Main(run) }
