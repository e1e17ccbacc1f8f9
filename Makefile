# Two commands: `make demo` and `make test`. Each makes .venv and sees to a browser when needed.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-slow lint types docs check bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/ready ## make .venv and see to a browser

.venv/ready: pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sceneset needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "python3-venv is missing: apt install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python cli.py doctor --install-browser >/dev/null
	@touch $@

demo: .venv/ready ## run the whole pipeline on the embedded gallery
	$(BIN)/python cli.py demo

test: .venv/ready ## run the tests, two files at a time (5 minutes on 2 cores)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-fast: .venv/ready ## run the tests that need neither browser nor TensorFlow
	$(BIN)/python -m pytest -q -m "not slow and not browser and not train"

test-slow: .venv/ready ## run the long tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow

lint: .venv/ready ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready ## check types
	$(BIN)/mypy

docs: .venv/ready ## write docs/cli.md from --help, docs/backbones.md from the table
	$(BIN)/python docs/write_cli.py
	$(BIN)/python docs/write_backbones.py

check: lint types test ## everything a change must pass

bench: .venv/ready ## measure the published figures
	$(BIN)/python bench/scraper/scrape.py

clean: ## remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
