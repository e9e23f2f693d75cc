# Everything a fresh clone needs is Python 3.11 or newer and make; `make` alone lists what there is.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

# the suites of others bring plugins of pytest with them, which ours shall not load
OUTSIDE := .venv-outside

# the first Python on the path that is new enough
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)

# --universal: one lock for every platform; no index, address or command line is written into it
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --upgrade

# the processes that share the test files; 0: none, the tests run in pytest's own
WORKERS ?= 4
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS)

# `make changed` compares with this commit
BASE ?= HEAD

.PHONY: help run test changed lint format lock outage bench streams workers budget soak page memory crash spike rolling replicas rotation stop-grace neighbours conversations own-parts faults reference sentry exact chats jobs paired outside image-test fronts frozen realtime schemas semantic semantic-prior wheels clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | column -t -s '|' 2>/dev/null || grep '## ' Makefile

run: $(VENV)/.run ## start PostgreSQL, Redis and the gateway on 127.0.0.1:8080
	@exec $(BIN)/tidegate run

test: $(VENV)/.dev ## run the whole suite; it starts its own stores unless TIDEGATE_*_URL name some
	@$(PYTEST) --durations=25

changed: $(VENV)/.dev ## run the tests of what changed since the last commit; since another one: BASE=main
	@tests=$$($(BIN)/python -m tests.shape.changed $(BASE)) && \
		if [ -n "$$tests" ]; then $(PYTEST) $$tests; else echo "Nothing has changed since $(BASE)."; fi

lint: $(VENV)/.dev ## style, types, import contracts, dependencies
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry .

format: $(VENV)/.dev ## rewrite the code in the house's format
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

bench: $(VENV)/.dev ## CPU and rates beside other gateways, on a quiet machine; writes benchmarks/RESULTS.md: BENCH='--rounds 3'
	@$(BIN)/python -m benchmarks.side_by_side $(BENCH)

streams: $(VENV)/.dev ## 9,000 open streams in one process: memory of each, heartbeats, hang-ups; fewer: STREAMS='--streams 3000'
	@$(BIN)/python -m benchmarks.open_streams $(STREAMS)

workers: $(VENV)/.dev ## CPU of a call with two workers beside one: WORKERS='--rounds 3'
	@$(BIN)/python -m benchmarks.workers $(WORKERS)

soak: $(VENV)/.dev ## 100,000 mixed calls: memory and leftovers; a million in pieces: SOAK='--hold 7200' and SOAK='--piece 100000'
	@$(BIN)/python -m benchmarks.soak $(SOAK)

page: $(VENV)/.dev ## the dashboard on a ledger of a million lines: first view, lists, ten open pages; smaller: PAGE='--entries 10000'
	@$(BIN)/python -m benchmarks.dashboard $(PAGE)

memory: $(VENV)/.dev ## 1,000 failed calls of 10 MB, and an outage under 40 callers of 5 MB; shorter: MEMORY='--minutes 1'
	@$(BIN)/python -m benchmarks.memory $(MEMORY)

crash: $(VENV)/.dev ## 20 kill -9s under load: no delivered answer may be missing from the ledger
	@$(BIN)/python -m benchmarks.crash

rolling: $(VENV)/.dev ## 5,000 calls over ten rolling restarts and twenty recyclings of workers: none may be lost
	@$(BIN)/python -m benchmarks.rolling

replicas: $(VENV)/.dev ## three replicas behind a balancer, Redis stopped, one killed every 10 s; shorter: REPLICAS='--killing 30'
	@$(BIN)/python -m benchmarks.replicas $(REPLICAS)

rotation: $(VENV)/.dev ## an upstream key turned five times under load, then the users of both stores: no call may fail; shorter: ROTATION='--seconds 32'
	@$(BIN)/python -m benchmarks.rotation $(ROTATION)

stop-grace: $(VENV)/.dev ## docker stop -t 40 amid streams of 25 and 60 s: the first survives, both are billed
	@$(BIN)/python -m benchmarks.stop_grace $(STOP_GRACE)

neighbours: $(VENV)/.dev ## a project beside a hostile one, in each way: its errors and what the gateway adds; fewer: NEIGHBOURS='--seconds 10'
	@$(BIN)/python -m benchmarks.neighbours $(NEIGHBOURS)

spike: $(VENV)/.dev ## 300 calls at once against 600 a minute, and a flood beside a few
	@$(BIN)/python -m benchmarks.spike

own-parts: $(VENV)/.dev ## Redis frozen and PostgreSQL gone under load: what callers feel, what the ledger has
	@$(BIN)/python -m benchmarks.own_parts

faults: $(VENV)/.dev ## play the fault matrix and write docs/generated/fault-matrix.md
	@$(PYTEST) tests/faults --write-fault-matrix

realtime: $(VENV)/.dev ## a Realtime session of ten minutes: its ledger is the sum of its usage; another length: REALTIME='--realtime-minutes 30'
	@$(BIN)/python -m pytest -q -n 0 tests/gateway/test_realtime_minutes.py $(or $(REALTIME),--realtime-minutes 10)

frozen: $(VENV)/.dev ## replicas that are frozen between requests for ten minutes, then killed: nothing may be unsettled or lost
	@$(BIN)/python -m benchmarks.frozen $(FROZEN)

reference: $(VENV)/.dev ## write the reference of commands and of the configuration from the code
	@$(BIN)/python -m tests.docs.cli_page
	@$(BIN)/python -m tests.docs.configuration_page

sentry: $(VENV)/.dev ## run Sentry's tests with the next major version of its SDK
	@$(PIP) install --pre --no-deps --upgrade --target $(VENV)/sentry 'sentry-sdk>=3.0.0b2,<4'
	@PYTHONPATH=$(VENV)/sentry $(BIN)/python -m pytest -q -n 0 tests/monitoring/sentry tests/gateway/test_sentry.py

exact: $(VENV)/.dev ## 20,000 mixed calls with faults: ledger, counters and the simulator's bill, to the nano-dollar
	@$(BIN)/python -m benchmarks.exactness

budget: $(VENV)/.dev ## a budget of $$1 over three replicas that are killed: never overspent; fewer: BUDGET='--runs 3'
	@$(BIN)/python -m benchmarks.budget $(BUDGET)

conversations: $(VENV)/.dev ## a million stored items: list, get, append, the next turn of a long conversation
	@$(BIN)/python -m benchmarks.conversations

chats: $(VENV)/.dev ## 200 chats over three replicas that are killed: each is stored as it was acknowledged
	@$(BIN)/python -m benchmarks.chats

jobs: $(VENV)/.dev ## background responses over three replicas that are killed: none is lost or contradicts itself
	@$(BIN)/python -m benchmarks.jobs

semantic: $(VENV)/.dev ## streams of published questions through the decisions of the semantic tier: SEMANTIC='FOLDER --seeds 3'
	@$(BIN)/python -m benchmarks.semantic $(SEMANTIC)

semantic-prior: $(VENV)/.dev ## make the prior of the semantic tier from a folder of published questions: FOLDER=../questions
	@test -n "$(FOLDER)" || { echo "Name the folder: make semantic-prior FOLDER=../questions" >&2; exit 1; }
	@$(PIP) install lightgbm
	@$(BIN)/python -m benchmarks.semantic.prior "$(FOLDER)" --write tidegate/cache/semantic/prior.json

outage: $(VENV)/.dev ## a steady load and an outage in its middle; how long, how many: OUTAGE='--minutes 30'
	@$(BIN)/python -m benchmarks.outage $(OUTAGE)

paired: $(VENV)/.dev ## this checkout beside another one: CPU and function calls of a miss, a hit, a chunk: OLD=../old
	@test -n "$(OLD)" || { echo "Name the other checkout: make paired OLD=../old (PAIRED='--rounds 9' for more)" >&2; exit 1; }
	@$(BIN)/python -m benchmarks.paired --old "$(OLD)" $(PAIRED)

outside: $(VENV)/.dev $(OUTSIDE)/.ready ## run suites that others wrote through a gateway; writes docs/generated/outside-suites.md
	@$(BIN)/python -m pytest -q -n 0 tests/outside/outside_suites.py

image-test: $(VENV)/.dev ## build the image, run the stack on a container engine (Debian's where none is up), and measure
	@REQUIRE_ENGINE=1 WRITE_FIGURES=1 $(BIN)/python -m pytest -q -n 0 tests/image

# the packages that carry what the clouds know of their files; `--no-deps`, because they are only read
GOOGLE_MODELS := google-api-python-client==2.202.0
AZURE_MODELS := azure-mgmt-containerinstance==10.1.0 azure-mgmt-appcontainers==5.1.0 azure-mgmt-monitor==7.0.0

schemas: | $(VENV)/bin/python ## write the schemas of tests/deploy from the packages of Google and Microsoft
	@$(PIP) install --no-deps --target $(VENV)/models --upgrade $(GOOGLE_MODELS) $(AZURE_MODELS)
	@$(BIN)/python -m tests.deploy.schemas.cloud_run $(VENV)/models
	@$(BIN)/python -m tests.deploy.schemas.google_monitoring $(VENV)/models
	@$(BIN)/python -m tests.deploy.schemas.azure $(VENV)/models $(AZURE_MODELS)

fronts: $(VENV)/.dev ## slow calls through a stand-in for each cloud's front door, in real time (6 min); writes docs/generated/fronts.md
	@REAL_TIME=1 $(BIN)/python -m pytest -q -n 0 tests/deploy/test_fronts.py -k survives

# each must have a wheel of every dependency, in the locked version
PLATFORMS := x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin x86_64-apple-darwin

wheels: | $(VENV)/bin/python ## ask the index for a wheel of every dependency, for each Python and platform
	@$(PIP) install uv
	@for python in 3.11 3.12 3.13 3.14; do for platform in $(PLATFORMS); do \
		$(BIN)/uv pip compile -q --only-binary :all: --no-header --python-version $$python --python-platform $$platform \
			--extra embedded -c requirements-run.lock pyproject.toml > /dev/null && \
		echo "Python $$python on $$platform: a wheel of everything" || exit 1; done; done

lock: | $(VENV)/bin/python ## resolve the dependencies anew and pin them by hash
	@$(PIP) install uv
	@echo 'setuptools>=77' > $(VENV)/build.in
	@$(LOCK) pyproject.toml $(VENV)/build.in --extra dev --extra embedded --extra otel --extra semantic -o requirements-dev.lock
	@$(LOCK) pyproject.toml $(VENV)/build.in --extra embedded -c requirements-dev.lock -o requirements-run.lock
	@$(LOCK) pyproject.toml -c requirements-dev.lock -o requirements.lock
	@$(LOCK) tests/outside/requirements.in -c requirements-dev.lock -o tests/outside/requirements.lock

clean: ## remove the environment and the caches; data in .tidegate stays
	@rm -rf $(VENV) $(OUTSIDE) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist *.egg-info

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Tidegate needs Python 3.11 or newer; none was found on the path" \
		"(python3 is: $$(python3 --version 2>&1 || echo none)). Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python has no venv module;" \
		"install it (on Debian: apt install python3-venv)." >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.run: requirements-run.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Tidegate runs on (once, about a minute) ..."
	@$(PIP) install --require-hashes -r requirements-run.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q tidegate  # a start costs a second less
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Tidegate and its tests run on (once, about a minute) ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q tidegate
	@touch $@ $(VENV)/.run

# the tests of the official client are in its source archive alone; the lock has its hash, too
$(OUTSIDE)/.ready: tests/outside/requirements.lock | $(VENV)/bin/python
	@echo "Installing the suites of others (once, about a minute) ..."
	@rm -rf $(OUTSIDE)
	@$(BIN)/python -m venv $(OUTSIDE)
	@$(OUTSIDE)/bin/python -m pip --disable-pip-version-check -qq install --require-hashes -r tests/outside/requirements.lock
	@awk '/^openai==/ { ours = 1 } ours { print } !/\\$$/ { ours = 0 }' tests/outside/requirements.lock > $(OUTSIDE)/sources.txt
	@$(OUTSIDE)/bin/python -m pip --disable-pip-version-check -qq download --no-deps --no-binary openai --require-hashes \
		-r $(OUTSIDE)/sources.txt -d $(OUTSIDE)/sources
	@touch $@
