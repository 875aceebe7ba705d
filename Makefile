# `make demo` and `make test` are all the set-up there is. No root, no LLVM on the machine: it comes from wheels.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev
# The build for CPUs, which is a tenth of the one that PyPI has for Linux. For a GPU: make TORCH=torch test
TORCH ?= torch==2.13.0+cpu
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install

.PHONY: demo test lint types bench clean

demo: $(VENV)/.installed
	$(BIN)/llmc optimize examples/*.c examples/*.cpp -o build/demo/

test: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python bench/evaluate.py

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Setting up $(VENV): this package, LLVM 17.0.6 from wheels (about 110 MB to fetch, once)"
	@$(PYTHON) -m venv $(VENV) || \
	    { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) '$(TORCH)' 2>/dev/null || \
	    $(PIP) --extra-index-url $(TORCH_INDEX) '$(TORCH)'
	$(PIP) -e '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
