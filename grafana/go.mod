module colorstream/grafana

go 1.26.0

replace (
	colorstream/generator => ../generator
	colorstream/influxdb => ../influxdb
)

require (
	colorstream/influxdb v0.0.0-00010101000000-000000000000
	github.com/google/go-cmp v0.7.0
	github.com/grafana/grafana-foundation-sdk/go v0.0.22
	go.yaml.in/yaml/v3 v3.0.6
)
