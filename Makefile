# Freshet's commands. `make demo` and `make test` install what they need on a Debian machine that has Go.
# What the environment asks of every go command stays; the tag gives DuckDB its Arrow door.
export GOFLAGS := $(strip $(GOFLAGS) -tags=duckdb_arrow)
# What is fuzzed, and for how long each.
FUZZTIME ?= 20s

.PHONY: help tools build demo test clients check bench faults fuzz clean

help: ## print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

tools:
	@scripts/servers tools

build: tools ## build bin/freshet
	go build -o bin/freshet ./cmd/freshet

demo: build ## start Freshet with sample data, refresh it, print what to try
	bin/freshet demo

test: tools ## run all tests, with real servers on loopback
	FRESHET_REQUIRE_SERVERS=1 scripts/servers run go test -timeout 20m ./...

clients: build ## run real, unmodified clients against a started server
	FRESHET_BIN=$(CURDIR)/bin/freshet FRESHET_REQUIRE_CLIENTS=1 scripts/servers clients go test -count=1 -timeout 10m -parallel 8 ./tests/clients ./internal/gateway/...

check: tools ## formatting, vet, staticcheck, layers, generated files
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test -run TestLayers ./tests
	@for script in scripts/servers .ci/run; do bash -n $$script || exit 1; done
	@before=$$(git diff | cksum); go generate ./...; [ "$$before" = "$$(git diff | cksum)" ] || { echo "generated files are old: run go generate ./..."; exit 1; }

bench: build ## measure against floors on this machine
	FRESHET_BIN=$(CURDIR)/bin/freshet FRESHET_REQUIRE_SERVERS=1 scripts/servers run go test -run '^$$' -bench . -benchtime 1x -timeout 2h ./tests/bench
	go test -run '^$$' -bench 'Commit|History' -benchtime 50x ./internal/catalog

faults: ## make a fault at every named point of a refresh, in every mode, with FRESHET_FAULTS_RUNS seeds
	cd tests/crash && FRESHET_FAULTS_RUNS=$${FRESHET_FAULTS_RUNS:-1} go test -count=1 -timeout 12h -run TestFaults .

fuzz: tools ## fuzz every parser and decoder for FUZZTIME
	@for package in $$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

clean: ## stop the servers, remove what was built
	scripts/servers stop
	rm -rf bin .servers
