# The commands of the project. `make help` lists them; CONTRIBUTING.md says
# when to use which.

GO       ?= go
BIN      := bin/processor
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TOOL     := $(GO) tool -modfile=tools/go.mod
# How long each fuzz target runs, and how many cases each property gets.
FUZZTIME ?= 30s
CHECKS   ?= 20000
# Flags of the benchmark program: make bench BENCH='-runs 5 -only w1'.
BENCH    ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/processor
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/processor

.PHONY: test
test: ## everything: all tests, the coverage floors, the race detector
	scripts/servers.sh
	$(MAKE) --no-print-directory cover race

.PHONY: cover
cover: ## all tests, with the floors of coverage
	GO='$(GO)' scripts/cover.sh

.PHONY: race
race: ## the packages with goroutines, under the race detector
	GO='$(GO)' scripts/race.sh

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (30s)
	GO='$(GO)' scripts/fuzz.sh $(FUZZTIME)

.PHONY: soak
soak: ## the property tests with CHECKS cases each (20000), a long day of events
	GO='$(GO)' scripts/soak.sh $(CHECKS)

.PHONY: planted
planted: ## plant five bugs, one by one, and see the tests find each
	GO='$(GO)' scripts/planted.sh

.PHONY: bench
bench: build ## the benchmarks: events a second, CPU, memory, latency
	$(GO) run ./bench -binary $(BIN) $(BENCH)

.PHONY: bench-state
bench-state: build ## what durable state costs: epochs, recovery, checkpoints
	$(GO) run ./bench -binary $(BIN) -state $(BENCH)

.PHONY: bench-kafka
bench-kafka: build ## Kafka to Kafka, exactly once: events a second, latency
	$(GO) run ./bench -binary $(BIN) -kafka $(BENCH)

.PHONY: bench-watched
bench-watched: build ## what being watched costs: W1 with and without metrics
	$(GO) run ./bench -binary $(BIN) -watched $(BENCH)

.PHONY: lint
lint: ## golangci-lint, pinned in tools/go.mod
	$(TOOL) golangci-lint run ./...

.PHONY: vuln
vuln: ## known vulnerabilities in what the binary reaches
	$(TOOL) govulncheck ./...

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt ./...

.PHONY: generate
generate: ## rewrite what is generated: reference, schema, samples, dashboard
	$(GO) test ./config -run Pages -update
	$(GO) test ./internal/gen -run Samples -update
	$(GO) test ./internal/metrics -run Page -update
	$(GO) test ./internal/dashboard -run CheckedIn -update

.PHONY: ci
ci: ## what the gate runs
	.ci/run

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin coverage.out bench/data bench/out
