# Everything below installs what it needs under .venv/ and ${XDG_CACHE_HOME:-~/.cache}/serin, without root.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv/.complete: requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Serin needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1); name another with PYTHON=" >&2; exit 2; }
	@echo "environment: installing the locked packages into .venv (about a minute the first time)" >&2
	@$(PYTHON) -m venv .venv || { echo "cannot make a virtual environment: install your system's python3-venv package" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: install
install: .venv/.complete ## install the environment from the lock, with hashes

# An S3 for the tests of registries, in an environment of its own: it wants an older python-dateutil than kubernetes does.
.moto/.complete: requirements/moto.lock
	@echo "environment: installing the tests' S3 into .moto" >&2
	@$(PYTHON) -m venv .moto
	@.moto/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/moto.lock
	@touch $@

.PHONY: test
test: .venv/.complete .moto/.complete ## run all tests
	@$(BIN)/python -m pytest

.PHONY: fuzz
fuzz: .venv/.complete .moto/.complete ## property tests on new random examples, again and again (ROUNDS=5)
	@for round in $$(seq $(or $(ROUNDS),5)); do \
	  $(BIN)/python -m pytest --hypothesis-profile=new -q -p no:cacheprovider $$(grep -rl 'hypothesis' tests --include='test_*.py') || exit 1; \
	done

DATA ?=
KEEP ?=
.PHONY: demo
demo: .venv/.complete ## a rollout that ends well and two that must not, on real parts (DATA=file.csv, KEEP=1)
	@$(BIN)/python -m serin_demo $(if $(DATA),--data $(DATA)) $(if $(KEEP),--keep)

DIR ?= .cluster
.PHONY: cluster
cluster: .venv/.complete ## start a local cluster and leave it up
	@$(BIN)/python -m serin_localcluster up --directory $(DIR)

.PHONY: cluster-down
cluster-down: .venv/.complete ## end it
	@$(BIN)/python -m serin_localcluster down --directory $(DIR)

.PHONY: lint
lint: .venv/.complete ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: .venv/.complete ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: crds
crds: .venv/.complete ## write crds/ from the models in core
	@$(BIN)/python crds/generate.py

.PHONY: lock
lock: RESOLVE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock"
lock: ## resolve requirements/*.lock anew (needs uv)
	$(RESOLVE) --all-extras --group dev pyproject.toml --output-file requirements/dev.lock
	$(RESOLVE) --extra operator pyproject.toml --output-file requirements/operator.lock
	$(RESOLVE) --extra server --extra tracing pyproject.toml --output-file requirements/server.lock
	$(RESOLVE) --extra training pyproject.toml --output-file requirements/training.lock
	echo 'moto[s3,server]' | $(RESOLVE) - --output-file requirements/moto.lock
	echo hatchling | $(RESOLVE) - --output-file requirements/build.lock

REGISTRY ?= .ml/registry
URL ?=
RUNBOOK = $(BIN)/python -m serin_demo.runbook $(if $(DATA),--data $(DATA)) --registry $(REGISTRY) $(if $(URL),--url $(URL))
.PHONY: ml-features ml-train ml-eval ml-status ml-thresholds ml-canary ml-smoke
ml-features: .venv/.complete ## features of DATA (generated without it), once; again only what has changed
	@$(RUNBOOK) features

ml-train: .venv/.complete ## train a run of them into REGISTRY (.ml/registry)
	@$(RUNBOOK) train

ml-eval: .venv/.complete ## the same, judged only: nothing is stored, nothing deployed
	@$(RUNBOOK) eval

ml-status: .venv/.complete ## what the server at URL serves; without URL one is started on the spot
	@$(RUNBOOK) status

ml-thresholds: .venv/.complete ## the confidence that each class needs there
	@$(RUNBOOK) thresholds

ml-canary: .venv/.complete ## the share of users that the model answers there (SUGGEST_USE_MODEL_CANARY="10%")
	@$(RUNBOOK) canary

ml-smoke: .venv/.complete ## all of it, in seven lines
	@$(RUNBOOK) smoke

.PHONY: bench-learning
bench-learning: .venv/.complete ## quality and cost of a run on the CSV files in DATA=folder, beside a baseline
	@$(BIN)/python benchmarks/learning.py --data $(or $(DATA),$(error name a folder of CSV files with DATA=)) $(if $(PARTS),--parts $(PARTS))

.PHONY: bench-gates
bench-gates: .venv/.complete ## what the gates promise beside other rules, and their cost; writes benchmarks/gates.md and .json
	@$(BIN)/python benchmarks/gates.py --markdown benchmarks/gates.md --json benchmarks/gates.json

SOAK ?= 60s
.PHONY: bench-serving
bench-serving: .venv/.complete ## the server beside its rivals, which install below .bench/ (DATA=file.csv, SOAK=30m)
	@$(BIN)/python benchmarks/serving/run.py --soak $(SOAK) $(if $(DATA),--data $(DATA))

.PHONY: clean
clean: ## remove the environment and what tests leave
	rm -rf .venv .moto .ml .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
