# The everyday commands. `make help` lists them.

# Where things are; every one can be set on the command line or in the environment, and
# so can KAFKA_BROKERS and TIDEMARK_STATE_DIR. The binary has the same defaults. It is not
# told of those here: the demo would take them for servers to use instead of its own.
POSTGRES_DSN ?= postgres://tidemark:tidemark@localhost:5432/tidemark?sslmode=disable
DATASET ?= dataset
BIN     := bin/tidemark
STREAMS := ./streams/...

GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOTEST   := go test -shuffle=on -timeout=45m
# These drive processes, in which the race detector of a test sees nothing.
DRIVERS  := ./tests/chaos ./tests/e2e ./tests/grafana ./tests/page ./tests/stack
# The longest first: others pass beside it.
LONGEST  := ./plugins/stateful_kafka
UNIT     := $(LONGEST) $$(go list ./... | grep -v$(patsubst .%, -e %$$,$(DRIVERS) $(LONGEST)))

COMPOSE := docker compose --file compose/compose.yaml
# What runs beside Tidemark; the containers that prepare it come with these.
INFRA   := kafka schema-registry kafka-ui postgres prometheus alertmanager grafana

.DEFAULT_GOAL := help
.PHONY: help setup infra-up infra-down infra-reset stack-up stack-producer status logs build demo serve producer producer-full consumer consumer-cluster consumer-bg db-shell db-latest db-complete \
	db-truncate kafka-topics test-producer test-postgres clean clean-checkpoints reset \
	test test-first-half test-second-half test-others test-unit test-integration vendor-assets page-shots sim bench bench-scaling bench-producer bench-micro bench-page bench-docs chaos fmt lint docs boards

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: build $(DATASET) ## Fetch modules, build, and generate a dataset where none is
	go mod download

# $(call docker,what else does it) comes before any use of $(COMPOSE).
docker = @docker compose version >/dev/null 2>&1 || { echo "$@ needs Docker with its compose plugin; $(1)"; exit 1; }

infra-up: ## Kafka, Postgres and what shows them in containers, prepared: KAFKA_BROKERS=localhost:29092
	$(call docker,make demo needs nothing)
	$(COMPOSE) up --detach --wait --build $(INFRA)

SCALE ?= 1
stack-up: ## The same with consumers, SCALE=1 of them, and the live page at http://localhost:4040
	$(call docker,make demo needs nothing)
	$(COMPOSE) up --detach --wait --build --scale consumer=$(SCALE)

stack-producer: ## Replay 500 orders into the containers, in about a minute
	$(call docker,make producer runs without)
	$(COMPOSE) run --rm producer

infra-down: ## Stop all containers; their data stays
	$(call docker,there is nothing to stop)
	$(COMPOSE) --profile producer down --remove-orphans

infra-reset: ## Stop all containers and delete their data
	$(call docker,there is nothing to delete)
	$(COMPOSE) --profile producer down --remove-orphans --volumes

logs: ## Follow the logs of consumer-bg and consumer-cluster, or else of the containers
	@if ls logs/*.log >/dev/null 2>&1; then exec tail -n 50 -F logs/*.log; \
	elif [ -n "$$($(COMPOSE) ps -q 2>/dev/null)" ]; then exec $(COMPOSE) logs --tail 50 -f; \
	else echo "no logs: consumer-bg and consumer-cluster write to logs/, infra-up runs containers"; fi

status: build ## Are Kafka, Postgres and the streams well, and what is there to open
	@$(BIN) status

build: ## Build bin/tidemark
	CGO_ENABLED=0 go build -o $(BIN) ./cmd/tidemark

$(DATASET): | build
	$(BIN) generate --out $(DATASET)

demo: build ## The whole pipeline on this machine, nothing to install, with the live page
	$(BIN) demo

serve: build ## The live page beside your own Kafka and Postgres, at http://localhost:4040
	$(BIN) serve

producer: build ## Replay 500 orders, lively, in about a minute
	$(BIN) produce --dataset-dir $(DATASET) --limit 500 --speed 3600 --max-gap 70ms

producer-full: build ## Replay everything as fast as possible
	$(BIN) produce --dataset-dir $(DATASET) --speed max

consumer: build ## Run the analytics streams
	$(BIN) consume

CONSUMERS ?= 3
consumer-cluster: build ## Several consumers that share the work, CONSUMERS=3: the first shows it, the others log to logs/
	@mkdir -p logs; pids=; trap 'kill $$pids' INT TERM; \
	for i in $$(seq 2 $(CONSUMERS)); do $(BIN) consume --no-console >logs/consumer-$$i.log 2>&1 & pids="$$pids $$!"; done; \
	$(BIN) consume & pids="$$pids $$!"; \
	for pid in $$pids; do wait $$pid; done; wait

consumer-bg: build ## The same in the background: logs/consumer.log, logs/consumer.pid
	@mkdir -p logs
	@! kill -0 "$$(cat logs/consumer.pid 2>/dev/null)" 2>/dev/null || { echo "it runs already"; exit 1; }
	@nohup $(BIN) consume >logs/consumer.log 2>&1 & echo $$! >logs/consumer.pid
	@echo "consumer runs as $$(cat logs/consumer.pid), its log and figures are in logs/consumer.log; kill $$(cat logs/consumer.pid) ends it"

kafka-topics: build ## Create the topics where they are missing, and describe them
	$(BIN) topics create
	$(BIN) topics describe

test-producer: build ## One order to Kafka and back
	$(BIN) produce --dataset-dir $(DATASET) --limit 1 --speed max
	$(BIN) consume --no-postgres --stop-at-end

test-postgres: build ## Connect, and apply what is missing of the schema
	$(BIN) db migrate

db-shell: ## psql on the database
	psql "$(POSTGRES_DSN)"

db-latest: build ## The funnel of the last hour of data
	$(BIN) db latest

db-complete: build ## The newest windows with GMV and payments, and totals
	$(BIN) db complete

db-truncate: build ## Delete rows, not state: closed windows are not written again before `tidemark state reset`
	$(BIN) db truncate --yes

clean: ## Remove what was built and logged
	rm -rf bin logs

clean-checkpoints: build ## Drop state and rows; the next run starts from earliest
	$(BIN) state reset --yes

reset: clean-checkpoints clean ## clean-checkpoints and clean

# What the race detector would make too slow or too large.
SIMULATION := go test -timeout=30m -run 'TestSimulation$$' ./plugins/stateful_kafka -sim.seeds=3000
MEMORY     := go test -run TestMemory ./plugins/fan_out

# The end-to-end tests wait more than they work, and share servers within a process: they
# run in lanes beside the others.
test: ## All tests that this machine can run
	@$(MAKE) --no-print-directory --jobs=4 test-first-half test-second-half test-others test-unit

test-first-half:
	$(GOTEST) -run '^Test[A-O]' ./tests/e2e

test-second-half:
	$(GOTEST) -skip '^Test[A-O]' ./tests/e2e

test-others:
	$(GOTEST) -p 1 $(filter-out ./tests/e2e,$(DRIVERS))

test-unit: ## All but the end-to-end tests
	$(GOTEST) -race $(UNIT)
	$(SIMULATION)
	$(MEMORY)

test-integration: ## The end-to-end tests: real Kafka, Postgres, Chromium, Prometheus
	$(GOTEST) -v $(DRIVERS)

SEEDS ?= 20000
FROM  ?= $$(date +%s)
sim: ## Simulated streams under faults, SEEDS=20000 of them, new ones each time unless FROM is given
	go test -v -timeout=0 -run 'TestSimulation$$' ./plugins/stateful_kafka -sim.seeds=$(SEEDS) -sim.from=$(FROM)

# The workload and how often it is measured: TIDEMARK_BENCH_EVENTS=100000,
# TIDEMARK_BENCH_RUNS=3; the file of every figure: TIDEMARK_BENCH_JSON.
BENCH_JSON := $(abspath $(or $(TIDEMARK_BENCH_JSON),logs/bench.json))
BENCHMARK  := go test -run '^$$' -benchtime 1x -timeout 3h ./tests/bench

bench: ## Throughput, latency, recovery, restart and restore on real servers, beside the goals
	@mkdir -p $(dir $(BENCH_JSON))
	TIDEMARK_BENCH_JSON=$(BENCH_JSON) $(BENCHMARK) -bench . -skip '^Benchmark(Scaling|Pace)$$'

bench-scaling: ## Throughput by size, partitions and live orders, in half an hour, into docs/performance.md
	TIDEMARK_BENCH_JSON=$(CURDIR)/docs/performance-scaling.json $(BENCHMARK) -bench '^BenchmarkScaling$$'
	$(MAKE) bench-docs

bench-producer: ## How exactly a replay keeps its pace: a real minute at each of 1x, 10x, 100x
	$(BENCHMARK) -v -bench '^BenchmarkPace$$'

bench-docs: ## Write docs/performance.md and its charts from docs/performance-*.json
	go run ./tests/bench/publish docs

COUNT ?= 6
bench-micro: ## Benchmarks of single parts, COUNT=6 times each, for benchstat
	go test -run '^$$' -bench . -count $(COUNT) -timeout 2h ./plugins/...

bench-page: ## How long the live page takes for a snapshot beside two years of minutes, 19 million rows
	go test -run '^$$' -bench Snapshot -benchtime 100x -timeout 1h -v ./internal/page/sales

chaos: ## Kill the streams 300 times at random moments and compare the rows
	TIDEMARK_CHAOS_KILLS=300 go test -v -timeout=60m -run TestKills ./tests/chaos

# Of generated data: the real files may not be passed on under this project's licence.
page-shots: ## Take the pictures of the live page in docs; logs/page-shots has more of them
	go test -count 1 -run '^TestShots$$/^much$$' ./tests/page -page.shots logs/page-shots
	cp logs/page-shots/sales-much.png docs/page-sales.png
	cp logs/page-shots/streams.png docs/page-streams.png

fmt: ## Format the code
	$(GOLANGCI) fmt

lint: build ## Check code and shipped configs
	$(GOLANGCI) run
	$(BIN) lint $(STREAMS)
	$(BIN) test $(STREAMS)

UPLOT_VERSION   := 1.6.32
UPLOT_INTEGRITY := KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==
ASSETS          := internal/page/assets

# The registry's integrity of the package: its SHA-512. openssl is on every system.
vendor-assets: ## Fetch what the live page has from others, as it is pinned here; needs npm
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	npm pack --silent --pack-destination "$$dir" uplot@$(UPLOT_VERSION) >/dev/null; \
	sum=$$(openssl dgst -sha512 -binary "$$dir/uplot-$(UPLOT_VERSION).tgz" | openssl base64 -A); \
	[ "$$sum" = "$(UPLOT_INTEGRITY)" ] || { echo "uplot-$(UPLOT_VERSION).tgz has the integrity $$sum, not the pinned one"; exit 1; }; \
	tar -xzf "$$dir/uplot-$(UPLOT_VERSION).tgz" -C "$$dir"; \
	mkdir -p $(ASSETS)/vendor/uplot; \
	cp "$$dir/package/LICENSE" "$$dir/package/dist/uPlot.iife.min.js" "$$dir/package/dist/uPlot.min.css" $(ASSETS)/vendor/uplot/; \
	cd $(ASSETS) && openssl dgst -sha256 -r vendor/uplot/* | sed 's/ \*/  /' >vendor.sha256

docs: ## Write docs/components from the components' specs, docs/prometheus.md from the metrics' definitions
	go run ./internal/docgen docs/components docs/prometheus.md

boards: ## Write the Grafana boards of configs/grafana/dashboards from internal/boards
	go run ./internal/boards/write configs/grafana/dashboards
