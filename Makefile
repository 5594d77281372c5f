# Each target sets up what it needs: a fresh machine runs `make demo` or `make test` with nothing prepared.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PIP := -m pip --quiet --disable-pip-version-check
LOCK := requirements.lock

.PHONY: setup update newest demo demo-approvals demo-operations demo-inference dev check test mutants test-servers fuzz soak bench bench-quick clean

setup: $(VENV)/.ready

# What the lock names, by its hashes and as wheels: nothing is fetched that it does not name, not even to build something.
$(VENV)/.ready: pyproject.toml $(LOCK)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing evermoon and its tools into $(VENV) ..."
	@$(BIN)/python $(PIP) install --require-hashes --only-binary :all: -r $(LOCK)
	@$(BIN)/python $(PIP) install --no-index --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q evermoon runtime  # as an installer would: not every environment lets a command write what it compiled
	@touch $@

# Renews the lock: the newest versions that the ranges in pyproject.toml allow, for every Python and platform there is.
update:
	@test -x $(BIN)/uv || $(MAKE) setup
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		--extra dev --output-file $(LOCK) pyproject.toml
	@echo "$(LOCK) is renewed; make test says whether the suite passes with it"

# The suite with the newest that the ranges allow today, whatever the lock says.
NEWEST := .venv-newest
newest:
	@test -x $(NEWEST)/bin/python || $(PYTHON) -m venv $(NEWEST)
	@$(NEWEST)/bin/python $(PIP) install --upgrade --upgrade-strategy eager -e '.[dev]'
	$(NEWEST)/bin/python -m pytest -n 4 --dist loadfile

demo: setup
	@$(BIN)/python -m entries.demo

demo-approvals: setup
	@$(BIN)/python -m entries.approvals.demo

demo-operations: setup
	@$(BIN)/python -m entries.operations.demo

demo-inference: setup
	@$(BIN)/python -m entries.inference.demo

dev: setup
	@$(BIN)/evermoon dev

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/vulture
	$(BIN)/evermoon check
	$(BIN)/evermoon check --registry entries/approvals
	$(BIN)/evermoon check --registry entries/operations
	$(BIN)/evermoon check --registry entries/inference

test: setup
	$(BIN)/python -m pytest -n 4 --dist loadfile

# Which small changes of the source no test notices: of the three rooms, which takes hours, or of the files and folders in MUTANTS.
MUTANTS ?=
mutants: setup
	$(BIN)/python -m tests.mutants $(MUTANTS)

# Installs the database servers that tests start for themselves, where it can; never fails.
test-servers:
	@bash tests/servers.sh

# The fuzz tests of `make test`, with many more examples, and then coverage-guided, FUZZ_SECONDS for each target.
FUZZ_SECONDS ?= 60
fuzz: setup
	$(BIN)/python -m pytest tests/security/test_fuzz.py --hypothesis-profile=fuzz --timeout=3600
	EVERMOON_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/security/test_coverage_guided.py

# The soak tests of `make test` with as many runs and processes as it takes to see a slow leak: tens of minutes.
SOAK_RUNS ?= 10000
SOAK_PROCESSES ?= 10000
soak: setup
	EVERMOON_SOAK_RUNS=$(SOAK_RUNS) EVERMOON_SOAK_PROCESSES=$(SOAK_PROCESSES) $(BIN)/python -m pytest -s tests/soak

# What Evermoon costs beside Temporal's SDKs (docs/performance.md): all of it, which takes an hour; or what matters most, in minutes.
# BENCH has further options, such as `--page docs/performance.md` or `--only tiny`.
BENCH ?=
bench: setup
	$(BIN)/python -m bench $(BENCH)

bench-quick: setup
	$(BIN)/python -m bench --quick $(BENCH)

clean:
	rm -rf $(VENV) $(NEWEST) .evermoon .mypy_cache .ruff_cache .pytest_cache .hypothesis
