package main

import "colorstream/generator/service"

func main() { service.Main(run) }
