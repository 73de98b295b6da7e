# The commands of daily work; each is one of `cargo xtask`.
# ARGS is passed on: make logs ARGS="orders --follow", make test ARGS="-- --package orders".

.DEFAULT_GOAL := help
.PHONY: help up down status logs reset demo bench fuzz-api chaos test needs

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: needs ## Start Postgres, Kafka and the seven services; Ctrl-C stops them
	@cargo xtask up $(ARGS)

down: needs ## Stop what `make up` started, from another shell
	@cargo xtask down $(ARGS)

status: needs ## Tell each part's process, port and health
	@cargo xtask status $(ARGS)

logs: needs ## Show the end of the logs
	@cargo xtask logs $(ARGS)

reset: needs ## Stop everything and delete its data; downloads are kept
	@cargo xtask reset $(ARGS)

demo: needs ## Place orders of every kind and watch them end
	@cargo xtask demo $(ARGS)

# A quarter of an hour, a little more on a slow machine, builds left out; make bench QUICK=1 takes three minutes.
bench: needs ## Measure how long an order takes, how many there can be, and what each costs
	@cargo xtask bench $(if $(QUICK),--quick) $(ARGS)

fuzz-api: needs ## Make up requests from the OpenAPI documents, and hold the answers against them
	@cargo xtask fuzz-api $(ARGS)

# Each variable may be left out: make chaos DURATION=60 SEED=7 RATE=50 REPLICAS=2 BROKERS=1
chaos: needs ## Break everything while orders are placed, and audit what is left
	@cargo xtask chaos $(if $(DURATION),--duration $(DURATION)) $(if $(SEED),--seed $(SEED)) \
		$(if $(RATE),--rate $(RATE)) $(if $(REPLICAS),--replicas $(REPLICAS)) \
		$(if $(BROKERS),--brokers $(BROKERS)) $(ARGS)

test: needs ## Check formatting, lints and documents, and run all tests
	@cargo xtask test $(ARGS)

# What `cargo xtask` needs before it can be compiled; it looks for the rest by itself.
needs:
	@deploy/local/needs.sh
	@cargo build --package xtask
