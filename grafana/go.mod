module colorstream/grafana

go 1.26.0
