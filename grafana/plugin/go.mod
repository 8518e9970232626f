module colorstream/grafana/plugin

go 1.26.0
