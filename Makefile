# The one runner. `make serve` and `make test` need nothing but Python 3.11+ and, the first time, a package source.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help serve test lint golden lock bench fuzz faults package clean environment-serve environment-test system-packages

PYTHON ?= python3
PROFILE ?= cpu-demo
# Which build of vLLM `make serve` installs: cpu or cuda.
ENGINE ?= $(if $(filter cpu-%,$(PROFILE)),cpu,cuda)
MARK ?= not gpu
VENV := .venv
BIN := $(VENV)/bin
DEMO_MODEL := var/models/smollm2-135m-instruct
export PYTHON

help:  ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: environment-serve  ## Start PROFILE (cpu-demo) behind the front door; Ctrl-C stops everything
	@if [ '$(PROFILE)' = cpu-demo ]; then $(BIN)/python demo/prepare_model.py --to $(DEMO_MODEL); fi
	@exec $(BIN)/deepseek-local serve --profile '$(PROFILE)'

test: environment-test system-packages lint  ## Check and test everything, the real engine included
	@$(BIN)/python demo/prepare_model.py --to $(DEMO_MODEL)
	@$(BIN)/python -m pytest -m '$(MARK)'

lint: environment-test  ## Format, style, types, import floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

golden: environment-test  ## Write generated files anew; review the diff
	@$(BIN)/python scripts/reference
	@$(BIN)/python scripts/reference_tables
	@$(BIN)/python -m pytest -q --update-golden tests/unit

lock: environment-test  ## Write the lock files anew; WHEELS=directory adds local wheels
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/lock $(WHEELS)

bench: environment-test system-packages  ## Measure the front door, nginx and LiteLLM beside it, the audit log and the quotas
	@scripts/environment .venv-litellm litellm
	@$(BIN)/python demo/prepare_model.py --to $(DEMO_MODEL)
	@$(BIN)/python benchmarks/front_door.py --beside
	@$(BIN)/python benchmarks/audit.py
	@$(BIN)/python benchmarks/quota.py
	@$(BIN)/python benchmarks/decision.py

fuzz: environment-test system-packages  ## Attack the front door: 200,000 mutated requests, schemathesis, scanners of TLS
	@scripts/environment .venv-security security-tools
	@$(BIN)/python -m tests.fuzz.run
	@$(BIN)/python -m tests.fuzz.run_schemathesis
	@DEEPSEEK_LOCAL_TESTSSL=1 $(BIN)/python -m pytest -rs tests/integration/proxy/test_scanners.py

faults: environment-test  ## Kill the audit sequencer 1,000 times and changes of keys at every step, and let disks and a whole kernel fail under it; best as root
	@DEEPSEEK_LOCAL_KILL_ROUNDS=1000 DEEPSEEK_LOCAL_ROTATIONS=100 $(BIN)/python -m pytest -rs tests/integration/audit/test_crash.py tests/integration/rotation tests/faults

package: environment-test  ## Build the wheel into dist/
	@$(BIN)/python -m hatchling build -t wheel

clean:  ## Remove the environment and caches; keep var/ (models, tokens, audit log)
	@rm -rf $(VENV) .venv-security .venv-litellm dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

environment-serve:
	@scripts/environment $(VENV) $(ENGINE)

environment-test:
	@scripts/environment $(VENV) cpu dev

system-packages:
	@scripts/system-packages
