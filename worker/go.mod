module colorstream/worker

go 1.26.0

require (
	colorstream/generator v0.0.0
	colorstream/influxdb v0.0.0
)

require github.com/google/go-cmp v0.7.0 // indirect

replace (
	colorstream/generator => ../generator
	colorstream/influxdb => ../influxdb
)
