# Two commands matter: `make demo` and `make test`. Everything else is for developers.
PYTHON      ?= python3
PORT        ?= 8501
DEMO_SERVE  ?= 1
VENV        := .venv
BIN         := $(VENV)/bin
PIP         := $(BIN)/python -m pip --disable-pip-version-check
SAMPLES     := sample_data
RUNS        := runs

.PHONY: help demo test lint format bench validity gpu lock wheel clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | sort

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else \
	  "Auscult needs Python 3.11 to 3.13, but $(PYTHON) is %d.%d: run make with PYTHON=python3.11." % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable ".[test]"
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo ## audit both sample studies and open the dashboard
ifeq ($(DEMO_SERVE),1)
	@$(BIN)/python -m dashboard --port $(PORT) --check-port
endif
	$(BIN)/auscult audit --if-changed --study $(SAMPLES)/chest_xray --policy $(SAMPLES)/chest_xray/policy.toml \
	  --model $(SAMPLES)/chest_xray/models/1.0 --model $(SAMPLES)/chest_xray/models/2.0 \
	  --out $(RUNS)/chest_xray
	$(BIN)/auscult audit --if-changed --study $(SAMPLES)/icu_deterioration --policy $(SAMPLES)/icu_deterioration/policy.toml \
	  --model $(SAMPLES)/icu_deterioration/models/xgboost-1.0 --model $(SAMPLES)/icu_deterioration/models/mlp-1.0 \
	  --model $(SAMPLES)/icu_deterioration/models/mlp-2.0 \
	  --out $(RUNS)/icu_deterioration
ifeq ($(DEMO_SERVE),1)
	$(BIN)/auscult dashboard --port $(PORT)
endif

# Shuffled, and alike on every run: what fails once fails again. Another order: make test SEED=2
SEED ?= 1
test: $(VENV)/.test ## run the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup --randomly-seed=$(SEED)

lint: $(VENV)/.test ## linters, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test ## measure against peers in the same run (benchmarks/README.md)
	$(BIN)/python -m benchmarks

validity: $(VENV)/.test ## the full validity suite of the statistics (hours on 2 cores)
	$(BIN)/python -m benchmarks.validity
	$(BIN)/python -m benchmarks.validity.versions
	$(BIN)/python -m benchmarks.validity.swaps

# Runs in the environment at hand, so that a machine with its own CUDA build of torch is used as is.
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,python3)
gpu: ## tests and benchmarks that need CUDA
	$(GPU_PYTHON) -m pytest -m gpu -p no:randomly
	$(GPU_PYTHON) -m benchmarks.gpu

lock: $(VENV)/.test ## write constraints.txt from the versions installed now
	@sed -n '/^#/p' constraints.txt > constraints.new
	@$(PIP) freeze --exclude-editable | sed 's/+cpu//' >> constraints.new
	@mv constraints.new constraints.txt

wheel: $(VENV)/.test
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
