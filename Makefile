# Sluice. `make help` lists what there is. Needs Python >= 3.11 and make; all else is installed under
# .venv/ and .sluice/.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.8
PYTEST = $(BIN)/python -m pytest --durations=20 --durations-min=3 $(if $(SHORT),-m "not long")
LOCKS := layers/dependencies migrations requirements/dev requirements/sam requirements/emulator

.DEFAULT_GOAL := help
.PHONY: help setup tools check test test-all lane-timed lane-yielding unit contract template integration browser e2e chaos faults mutants demo up down build deploy \
    lock schema bench clean

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*?## ' $(MAKEFILE_LIST) | awk -F':.*?## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# --- Setting up -------------------------------------------------------------------------------------

setup: .venv/ready tools ## Install everything: .venv/ and the tools under .sluice/tools/

.venv/ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Sluice needs Python >= 3.11, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@echo "Installing what requirements/dev.txt names"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

tools: .sluice/tools/sam/ready .sluice/tools/ministack/ready

.sluice/tools/sam/ready: requirements/sam.txt | .venv/ready
	@echo "Installing the SAM CLI"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	@touch $@

.sluice/tools/ministack/ready: requirements/emulator.txt | .venv/ready
	@echo "Installing the embedded AWS"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	@touch $@

# --- Checking and testing -----------------------------------------------------------------------------

check: .venv/ready ## Style, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two lanes: what breaks things by the clock goes first wherever both want a core; beside it, on what is left, all
# that counts no seconds, quick things first.
LANES = --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
YIELDING = nice -n 15

test: setup check ## What CI runs, quick things first; of the long suites what every change needs
	$(MAKE) $(LANES) lane-timed lane-yielding SHORT=1

test-all: setup check ## Every test there is
	$(MAKE) $(LANES) lane-timed lane-yielding

lane-timed:
	$(MAKE) e2e
	$(MAKE) chaos

lane-yielding:
	$(YIELDING) $(MAKE) template
	$(YIELDING) $(MAKE) unit
	$(YIELDING) $(MAKE) contract
	$(YIELDING) $(MAKE) browser
	$(YIELDING) $(MAKE) integration

unit: .venv/ready ## Rules one module at a time, the engine under hundreds of seeds, the protocol's state model
	$(PYTEST) tests/unit tests/simulation tests/model tests/mutation

template: setup ## The template's operational promises
	.sluice/tools/sam/bin/sam validate --lint --template template.yaml --region eu-central-1
	$(PYTEST) tests/template

contract: setup ## In-memory ports and real adapters behave alike
	$(PYTEST) tests/contract

integration: setup ## Adapters and sources against real programs, and vendors whose answers are wrong
	$(PYTEST) tests/integration tests/answers

browser: setup ## Pages in a headless Chromium (SLUICE_KEEP_SCREENSHOTS=1 draws those in docs/images anew)
	$(PYTEST) tests/browser

e2e: setup ## The deployed template, IAM enforced, under kills and vendor faults
	$(PYTEST) tests/e2e

chaos: setup ## Worker processes on real parts, broken in every way for some minutes
	$(PYTEST) tests/chaos

# Heavy suites. Their last honest results are kept in docs/results/.

FAULTS_MINUTES ?= 60
FAULTS_SEEDS ?= 10000
FAULTS_ANSWERS ?= 100000
FAULTS_SEED ?= $(shell date +%Y%m%d)

faults: setup ## FAULTS_SEEDS=10000 in the simulation, FAULTS_ANSWERS=100000 wrong ones, FAULTS_MINUTES=60 on real parts; recorded
	SLUICE_EXPLORE=1000 $(PYTEST) --timeout 1800 tests/contract/test_commits_alike.py tests/contract/test_streams.py tests/unit
	$(BIN)/sluice-sim --seed $(FAULTS_SEED)00000 --seeds $(FAULTS_SEEDS) --record
	$(BIN)/python -m tests.answers --answers $(FAULTS_ANSWERS) --seed $(FAULTS_SEED) --record
	$(BIN)/python -m tests.chaos --minutes 3 --seed $(FAULTS_SEED) --record --recovery \
	    --only kills --clients 8 --merchants 0 --projects 0
	$(BIN)/python -m tests.chaos --minutes $(FAULTS_MINUTES) --seed $(FAULTS_SEED) --record

mutants: setup ## Break the engine in every small way; fails when one survives unexplained; recorded
	$(BIN)/python -m tests.mutation

# --- Running ------------------------------------------------------------------------------------------

demo: setup ## Cars, ShipBob and Mixpanel for some clients through the real template, twice (CARS=200000 for full size)
	$(BIN)/sluice demo $(DEMO_ARGS)

up: setup ## Start the embedded stack and leave it running
	$(BIN)/sluice up

down: .venv/ready ## Stop it
	$(BIN)/sluice down

bench: setup ## Measure: merge, parse and load rates beside raw COPY (heavy)
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

# --- To AWS -------------------------------------------------------------------------------------------

SAM = SLUICE_UV=$(abspath $(UV)) .sluice/tools/sam/bin/sam
MIGRATIONS_DIGEST = $(shell $(PYTHON) -c "import hashlib, pathlib; \
    files = sorted(pathlib.Path('migrations').glob('*.sql')); \
    print(hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:16])")

# What is left out keeps the value it was deployed with; at the first deploy, the template's default.
PARAMETERS = Stage=prod MigrationsDigest=$(MIGRATIONS_DIGEST) \
    DatabaseSecretArn=$(DATABASE_SECRET_ARN) MigrationDatabaseSecretArn=$(MIGRATION_DATABASE_SECRET_ARN) \
    $(if $(ALARM_TOPIC_ARN),AlarmTopicArn=$(ALARM_TOPIC_ARN)) \
    $(if $(ALARM_EMAIL),AlarmEmail=$(ALARM_EMAIL)) \
    $(if $(HISTORY_DAYS),HistoryDays=$(HISTORY_DAYS)) \
    $(if $(METRICS_TOKEN_SECRET_ARN),MetricsTokenSecretArn=$(METRICS_TOKEN_SECRET_ARN)) \
    $(if $(DISPATCH_RATE),'DispatchRate="$(DISPATCH_RATE)"') \
    $(if $(POOL_SIZE),PoolSize=$(POOL_SIZE)) \
    $(if $(SLICES_PER_CLIENT),SlicesPerClient=$(SLICES_PER_CLIENT)) \
    $(if $(BREAKER_FAILURES),BreakerFailures=$(BREAKER_FAILURES)) \
    $(if $(BREAKER_PAUSE_SECONDS),BreakerPauseSeconds=$(BREAKER_PAUSE_SECONDS)) \
    $(if $(TRACING),Tracing=$(TRACING)) \
    $(if $(LOG_RETENTION_DAYS),LogRetentionDays=$(LOG_RETENTION_DAYS)) \
    $(if $(VENDOR_SECRET_PREFIX),VendorSecretPrefix=$(VENDOR_SECRET_PREFIX)) \
    $(if $(WEBHOOK_SECRET_PREFIX),WebhookSecretPrefix=$(WEBHOOK_SECRET_PREFIX)) \
    $(if $(WEBHOOK_RATE),WebhookRate=$(WEBHOOK_RATE)) \
    $(if $(WEBHOOK_BURST),WebhookBurst=$(WEBHOOK_BURST)) \
    $(if $(RESERVE_CONCURRENCY),ReserveConcurrency=$(RESERVE_CONCURRENCY)) \
    $(if $(DELETION_PROTECTION),DeletionProtection=$(DELETION_PROTECTION))

build: setup ## Build functions and layers for AWS (python3.13, arm64)
	SLUICE_BUILD_TARGET=lambda $(SAM) build --config-env prod

deploy: ## Build and deploy to AWS (DATABASE_SECRET_ARN=... MIGRATION_DATABASE_SECRET_ARN=...)
	@test -n "$(DATABASE_SECRET_ARN)" || { echo "give DATABASE_SECRET_ARN=<arn of the secret with the application's pooled postgresql:// URL>" >&2; exit 2; }
	@test -n "$(MIGRATION_DATABASE_SECRET_ARN)" || { echo "give MIGRATION_DATABASE_SECRET_ARN=<arn of the secret with the owner's direct postgresql:// URL>" >&2; exit 2; }
	@test "$(DATABASE_SECRET_ARN)" != "$(MIGRATION_DATABASE_SECRET_ARN)" || { echo "give two secrets: the worker may not read the owner's" >&2; exit 2; }
	@test -n "$(MIGRATIONS_DIGEST)" || { echo "cannot read migrations/ with $(PYTHON)" >&2; exit 2; }
	$(MAKE) build
	$(SAM) deploy --config-env prod $(DEPLOY_ARGS) --parameter-overrides $(PARAMETERS)

# --- Keeping ------------------------------------------------------------------------------------------

lock: ## Lock dependencies anew (edit the .in files first)
	set -e; for name in $(LOCKS); do \
	    if [ -d $$name ]; then name=$$name/requirements; fi; \
	    $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal \
	        --python-version 3.11 $$name.in -o $$name.txt; done

schema: .venv/ready ## Write migrations/schema.sql anew from all migrations
	$(BIN)/python -m local.schema

clean: ## Remove what was built and installed
	-$(BIN)/sluice down
	rm -rf .venv .sluice .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis
