# mysense. `make run` and `make test` do all set-up themselves; `make` lists the rest.

# Another Python gets a virtual environment of its own: make test PYTHON=python3.13
PYTHON ?= python3
PYTHONS ?= /usr/bin/python3 python3.11 python3.13
CONF ?= MySense.conf
# More words for mysense or pytest: make run ARGS=--once, make test ARGS='-k journal'
ARGS ?=

# The servers that the tests start themselves, systemd's judge of units, and what turns the hands of a clock, each as
# Debian package:program.
SERVERS = influxdb:influxd influxdb-client:influx victoria-metrics:victoria-metrics mosquitto:mosquitto
SERVERS += systemd:systemd-analyze faketime:faketime gpsd:gpsd

# Processes that run tests: these wait half of their time, for servers, clocks and serial lines.
TESTERS ?= $$(expr 2 \* $$(nproc))

VENV := .venv$(addprefix -,$(filter-out python3,$(notdir $(PYTHON))))
BIN := $(VENV)/bin
SETUP = @PYTHON='$(PYTHON)' sh scripts/setup $(VENV)

.PHONY: help run test check format docs bench torture test-all-pythons clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 26

run: ## start the daemon with MySense.conf, here and now
	$(SETUP) kit
	@exec $(BIN)/mysense run -c '$(CONF)' $(ARGS)

test: check ## set everything up, servers included, then all checks and all tests
	@sh scripts/servers $(SERVERS)
	@sh scripts/suite $(BIN)/python -n $(TESTERS) $(ARGS)

check: ## format, lint and types
	$(SETUP) test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: ## put the code into shape
	$(SETUP) test
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: ## write the generated files anew: MySense.conf, docs/config.md, docs/commands.md, contrib/
	$(SETUP) test
	$(BIN)/python scripts/generate.py

bench: ## measure; the figures belong to this machine
	$(SETUP) test
	@sh scripts/servers $(SERVERS)
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file || exit; done

torture: ## do the worst to it for an hour; ARGS='--seed N' repeats a run
	$(SETUP) test
	@sh scripts/servers $(SERVERS)
	@for file in torture/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file $(ARGS) || exit; done

test-all-pythons: ## make test with every Python of PYTHONS that is on this machine
	@for python in $(PYTHONS); do \
	    if $$python -c '' 2>/dev/null; then $(MAKE) --no-print-directory test PYTHON=$$python || exit; \
	    else echo "$$python is not on this machine: passed over"; fi; done

clean: ## remove what was made here: virtual environments, caches, packages
	rm -rf .venv .venv-* build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
