module colorstream/worker

go 1.26.0

require (
	colorstream/generator v0.0.0
	colorstream/influxdb v0.0.0
)

replace (
	colorstream/generator => ../generator
	colorstream/influxdb => ../influxdb
)
