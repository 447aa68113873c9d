# The targets that a person calls. `make` lists them. Every target sets up what it needs, once.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
TREE := build/tree
WORKERS ?= 2
EULERSTACK_LANG ?= ko
PRESET ?= arch_beginner_llama
SECONDS ?= 60

export EULERSTACK_LANG

.DEFAULT_GOAL := help
.PHONY: help setup demo lab check format test test-all golden notebooks bench docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with the package and what the targets need

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: setup  ## YAML -> HuggingFace model -> a minute of training -> text (PRESET=, SECONDS=)
	$(BIN)/eulerstack demo --preset $(PRESET) --seconds $(SECONDS)

lab: setup  ## open the first tutorial in JupyterLab (EULERSTACK_LANG=ko|en)
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) tutorials/$(if $(filter en,$(EULERSTACK_LANG)),en,ko)/00_positioning.ipynb

# mypy and import-linter see the mapped packages (magics/, presets/ ...) only in a real install.
check: setup  ## formatting, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	rm -rf build
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(TREE) .
	cd $(TREE) && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml \
		--cache-dir $(CURDIR)/.mypy_cache -p eulerstack
	cd $(TREE) && $(CURDIR)/$(BIN)/lint-imports --config $(CURDIR)/pyproject.toml

format: setup  ## format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: setup  ## the tests of everyday work, in a few minutes
	$(BIN)/pytest -n $(WORKERS) -m "not slow"

test-all: setup  ## every test: also the slow ones and the notebooks
	$(BIN)/pytest -n $(WORKERS)

golden: setup  ## write tests/golden anew; read the diff before you commit it
	$(BIN)/python tests/presets/golden.py

notebooks: setup  ## build the tutorials from tutorials/sources and execute them
	$(BIN)/python tutorials/build.py --execute

bench: setup  ## measure the claims about speed, each against a peer, and about learning (hours)
	$(BIN)/python benchmarks/run.py

docs: setup  ## write docs/ (command line and language reference) from the program itself
	$(BIN)/python docs/build.py

clean:  ## remove what the targets made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
