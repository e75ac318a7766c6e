# Two commands matter: `make demo` and `make test`. Both create .venv on first use and are quick after that.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install -q -c constraints.txt
DEMO_WORKLOAD ?= mediabench-jpegdecode_32

.PHONY: help demo test slow lint docs clean

help:
	@echo "make demo   search a memory controller for a real program trace, with a picture"
	@echo "make test   run the test suite"
	@echo "make slow   run the proof that takes minutes"
	@echo "make lint   check style and types"
	@echo "make docs   build the documentation into build/site"
	@echo "make clean  remove .venv and caches"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "archgym needs Python 3.11 or newer; set PYTHON=... (found: $$($(PYTHON) --version))"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed-base: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing archgym into .venv ..."
	@$(PIP) -e '.[plot]'
	@touch $@

.venv/installed-all: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing archgym with all extras into .venv (about 2 GB, a few minutes) ..."
	@$(PIP) -e '.[all,dev]'
	@touch $@ .venv/installed-base

demo: .venv/installed-base
	$(BIN)/archgym search DRAMEnv-v0 --workload $(DEMO_WORKLOAD) --objective joint --agent ga --budget 500 --seed 0 --out demo-output

test: .venv/installed-all
	$(BIN)/python -m pytest -n 2 --dist worksteal

slow: .venv/installed-all
	$(BIN)/python -m pytest -m slow

lint: .venv/installed-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed-all
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --quiet
	@echo "open build/site/index.html"

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
