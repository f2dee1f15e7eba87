# make demo and make test do all the set-up on a fresh machine: a virtual environment, the core and all plugins.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PLUGINS = $(wildcard plugins/*)
DISTRIBUTIONS = -e . $(PLUGINS:%=-e ./%)

.PHONY: demo test lint format docs bench clean

demo: $(VENV)/.installed
	$(BIN)/tlplug demo image

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n auto --maxprocesses 4 -m "not slow and not photos"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/generate.py

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) tlplug-demo .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.installed: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(DISTRIBUTIONS)
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt -e '.[dev]' $(PLUGINS:%=-e ./%)
	touch $@
