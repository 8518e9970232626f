# Colorstream. `make` lists what there is to do; README.md says more.

MODULES := generator influxdb worker dashboard grafana grafana/plugin
PROGRAMS := generator influxdb worker dashboard

# The tools that `make check` runs, in one place.
GOFUMPT := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.DEFAULT_GOAL := help
.PHONY: help run stop build influxd import replay test check bench up down logs lint-dashboards dashboards-pull generate vuln clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## start everything on this machine, without Docker (Ctrl-C stops it)
	@exec bin/stack run

stop: bin/stack ## stop what `make run` started elsewhere
	@bin/stack stop

# Go's build cache decides what is to be done.
BUILD := GOWORK=$(CURDIR)/go.work go build
build: bin/stack bin/plugins ## build the programs into bin/
	@$(BUILD) -o bin/ $(PROGRAMS:%=./%)

.PHONY: bin/stack bin/plugins
bin/stack:
	@[ -x $@ ] || echo 'building the programs, which takes about a minute the first time'
	@cd influxdb && go build -o ../$@ ./stack

# Grafana's live data source, where there is a Grafana. All but one dashboard works without it.
LIVE := bin/plugins/colorstream-live-datasource
bin/plugins:
	@[ -n "$$GRAFANA_HOME" ] || command -v grafana >/dev/null || exit 0; \
	[ -d $(LIVE) ] || echo 'building the live data source, which takes some minutes the first time'; \
	mkdir -p $(LIVE) && cp -R grafana/plugin/web/. $(LIVE) && $(BUILD) -ldflags='-s -w' \
		-o $(LIVE)/gpx_colorstream_live_$$(go env GOOS)_$$(go env GOARCH) ./grafana/plugin || \
	echo 'Grafana has no live data source, and its live dashboard stays empty' >&2

influxd: bin/stack ## build the InfluxDB server once (about 4 minutes; needs cargo)
	@bin/stack influxd

import: ## chart your own data of any time: make import FILE=data.csv, with GENERATOR_INPUT_… variables
	@test -n "$(FILE)" || { echo 'make import needs a file: make import FILE=data.csv' >&2; exit 2; }
	@cd worker && go build -o ../bin/worker .
	@$(if $(STACK_DATA),INFLUX_TOKEN_DIR="$${INFLUX_TOKEN_DIR:-$(STACK_DATA)/tokens}" )exec bin/worker import $(if $(OVERWRITE),--overwrite) "$(FILE)"

replay: ## publish your own data: make replay FILE=data.csv, with GENERATOR_… variables
	@test -n "$(FILE)" || { echo 'make replay needs a file: make replay FILE=data.csv' >&2; exit 2; }
	@cd generator && go build -o ../bin/generator .
	@exec bin/generator replay "$(FILE)"

# On a machine that cannot build InfluxDB the tests that need it are skipped, and say so; in CI they fail.
test: bin/stack ## run all tests, with the race detector, each module alone
	@bin/stack influxd >/dev/null || [ "$$CI" != true ]
	@for m in $(MODULES); do echo "== $$m"; (cd $$m && GOWORK=off go test -race -timeout 20m ./...) || exit; done
	@# Go does not look at files outside a module, and would repeat an old result.
	@cd influxdb && GOWORK=off go test -race -count 1 ./compose

check: ## all that CI runs: formatting, vet, staticcheck, go fix, tidy, dashboards, tests
	@for m in $(MODULES); do echo "== $$m: static checks"; (cd $$m && export GOWORK=off && \
		unformatted=$$(go run $(GOFUMPT) -l .) && { [ -z "$$unformatted" ] || { echo "gofumpt: $$unformatted"; false; }; } && \
		go mod tidy -diff && go vet ./... && go run $(STATICCHECK) ./... && \
		{ fixes=$$(go fix -diff ./... 2>&1) || { echo "go fix: $$fixes"; false; }; }) || exit; done
	@go build $(MODULES:%=./%/...)
	@$(MAKE) --no-print-directory test

bench: ## run the benchmarks (minutes; nothing else should run)
	@for m in $(MODULES); do echo "== $$m"; (cd $$m && GOWORK=off go test -run '^$$' -bench . -benchmem ./...) || exit; done

lint-dashboards: bin/stack ## check the dashboards and alerts, and every query of theirs against InfluxDB
	@bin/stack influxd >/dev/null
	@cd grafana && go run . lint

dashboards-pull: ## save what was edited in Grafana's UI to grafana/dashboards
	@cd grafana && go run . pull

up: ## start everything with Docker
	@docker compose up --build --detach --wait || { docker compose logs --tail 5 dotenv influxdb-init; exit 1; }

down: ## stop it; the data stays
	docker compose down

logs: ## follow the containers' logs
	docker compose logs --follow

generate: ## write the tables of variables and metrics, and .env.example, anew from the code
	@for m in generator worker dashboard grafana influxdb; do (cd $$m && go generate ./...) || exit; done

vuln: ## look for known vulnerabilities (needs the network)
	@for m in $(MODULES); do echo "== $$m"; (cd $$m && GOWORK=off go run $(GOVULNCHECK) ./...) || exit; done

clean: stop ## remove all data and built programs; the built InfluxDB stays in the cache
	rm -rf data bin
