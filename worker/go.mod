module colorstream/worker

go 1.26.0

require github.com/google/go-cmp v0.7.0

replace (
	colorstream/generator => ../generator
	colorstream/influxdb => ../influxdb
)
