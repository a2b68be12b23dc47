# Everything one does with this project. `make` alone lists it.
# Needed on the machine: Rust with rustfmt and clippy, Python 3.11 or later, make, a C linker, valgrind (on Linux).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Every tool works inside the one virtual environment and the one target folder.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export CARGO_TARGET_DIR := $(CURDIR)/target
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1
unexport CONDA_PREFIX PYTHONPATH PYTHONHOME

RUST_SOURCES := Cargo.toml Cargo.lock $(shell find src -name '*.rs')
CLIPPY       := cargo clippy --locked --all-targets
AS_ERRORS    := -- --deny warnings

# What is tested with the oldest versions: all that reads tables and gives numbers; pictures are the newest's.
OLDEST := tests/frames tests/scores tests/weighting tests/matching tests/outcomes tests/effects tests/balance \
    tests/overlap tests/resampling tests/sensitivity tests/selection tests/study tests/calls tests/tables

# What PySpark says of itself where it is imported beside pandas 3: nothing that the package could mend.
SPARK_WARNS := -W 'ignore:PySpark does not yet fully support pandas:FutureWarning'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Run the tutorial end to end: tables, intervals and plots
	$(BIN)/python -m propensity

.PHONY: test
test: check-rust test-rust test-speed check-python audit test-python ## Run every check and every test

.PHONY: check-rust
check-rust: $(BIN)/python ## Formatting and clippy (pedantic, as Cargo.toml says), with and without the Python module
	cargo fmt --all --check
	$(CLIPPY) $(AS_ERRORS)
	$(CLIPPY) --all-features $(AS_ERRORS)

.PHONY: test-rust
test-rust: ## Test the Rust core, alone
	cargo test --locked

.PHONY: test-speed
test-speed: $(BIN)/python ## Count the kernels' instructions, and hold them against their budget
	$(BIN)/python benches/instructions.py

.PHONY: budget
budget: $(BIN)/python ## Count the kernels' instructions, and make that their budget
	$(BIN)/python benches/instructions.py --update

.PHONY: check-python
check-python: build ## Formatting, lint, types, and the stub of the compiled module
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest propensity.core --mypy-config-file pyproject.toml

.PHONY: audit
audit: $(VENV)/.tools ## Licences, sources and known vulnerabilities of what the package is made of
	.ci/audit $(BIN)

.PHONY: test-python
test-python: build ## Test the package, the README and the notebooks
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

.PHONY: faults
faults: build ## Break things on purpose (forks, Ctrl-C, no memory, panics, mutation), and write docs/reliability.md
	PYTHONPATH=tests $(BIN)/python tests/faults/page.py

.PHONY: fuzz
fuzz: build ## A million junk calls of every public function, in children that may die (CALLS=, SEED=)
	$(BIN)/python tests/faults/fuzz.py $(or $(CALLS),1000000) $(or $(SEED),0)

.PHONY: fuzz-core
fuzz-core: ## Coverage-guided fuzzing of the Rust core: fit, matching, bootstrap (needs cargo-fuzz)
	for target in fit matching bootstrap; do \
	    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target -- -max_total_time=$(or $(SECONDS),60) || exit 1; \
	done

.PHONY: notebooks
notebooks: build ## Run the notebooks and pages of examples again, and keep their new outputs
	$(BIN)/python tests/docs/test_notebooks.py
	PYTHONPATH=tests $(BIN)/python tests/docs/test_when_balance_fails.py

.PHONY: docs
docs: build $(VENV)/.docs-tools ## Build the site into docs/_build/html; warnings and links that lead nowhere are errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python docs/links.py docs/_build/html

.PHONY: test-oldest
test-oldest: ## Test the package with the oldest versions of numpy, pandas and the others that it allows (.venv-oldest)
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --upgrade 'pip>=25.1'
	.venv-oldest/bin/python .ci/oldest.py > .venv-oldest/oldest.txt
	.venv-oldest/bin/python -m pip install --group test --constraint .venv-oldest/oldest.txt .
	.venv-oldest/bin/python -m pytest -o addopts='-ra --strict-config --strict-markers' $(OLDEST)

.PHONY: test-spark
test-spark: ## Test tables of Spark and of Spark Connect, in an environment of its own (.venv-spark); needs Java 17
	java -version
	test -x .venv-spark/bin/python || $(PYTHON) -m venv .venv-spark
	.venv-spark/bin/python -m pip install --upgrade 'pip>=25.1'
	.venv-spark/bin/python -m pip install --group spark .
	for session in classic connect; do \
	    PROPENSITY_TEST_SPARK=$$session .venv-spark/bin/python -m pytest -o addopts='-ra --strict-config --strict-markers' $(SPARK_WARNS) tests/tables -k spark || exit 1; \
	done

.PHONY: bench
bench: build ## Time the kernels, and whole jobs against what people use today, into docs/performance.md
	cargo bench --locked --bench kernels
	$(BIN)/python benchmarks/report.py

.PHONY: format
format: $(VENV)/.tools ## Format the code and fix what can be fixed
	cargo fmt --all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: build
build: $(VENV)/.built ## Build the Rust core into the virtual environment

.PHONY: clean
clean: ## Remove what was built, the virtual environment included
	cargo clean
	rm -rf $(VENV) .venv-oldest .venv-spark build dist docs/_build docs/gallery docs/notebooks docs/reference .mypy_cache .pytest_cache .ruff_cache .hypothesis propensity-tutorial
	find python tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f python/propensity/core*.so

# The stamps below make a second run quick: each step runs again only when what it reads has changed.

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "propensity needs Python 3.11 or later: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.tools: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --group dev
	touch $@

$(VENV)/.docs-tools: $(VENV)/.tools
	$(BIN)/python -m pip install --group docs
	touch $@

$(VENV)/.built: $(RUST_SOURCES) $(VENV)/.tools
	$(BIN)/maturin develop --release --locked
	touch $@
