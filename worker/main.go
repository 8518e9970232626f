// Command worker computes the statistics of each colour over windows of time and writes them to
// InfluxDB.
package main

import "colorstream/generator/service"

func main() { service.Main(run) }
