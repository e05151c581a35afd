# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Overridable: PYTHON, TORCH (any build of torch >= 2.11), VENV, JOBS.

PYTHON ?= python3
TORCH  ?= torch==2.13.0
VENV   ?= .venv
JOBS   ?= 2
BIN    := $(VENV)/bin
PY     := $(BIN)/python
CPP    := $(shell git ls-files --cached --others --exclude-standard '*.cpp' '*.h' '*.cu' '*.cuh' 2>/dev/null)

export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

.PHONY: help setup build demo test check format bench clean

help: ## This list.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# torch comes first and alone: an unpinned one, or a build-isolated one, would pull a CUDA build.
$(VENV)/.ready: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet "$(TORCH)" numpy "setuptools>=77" wheel ninja cmake pybind11 "grpcio-tools==1.74.*"
	$(PY) -m pip install --quiet --no-build-isolation --editable '.[dev]'
	@touch $@

setup: $(VENV)/.ready ## A virtual environment with everything, gerank installed in it.

build: setup ## Compile what changed.
	@$(PY) setup.py --quiet build_ext --inplace

demo: build ## Train on the simulator, export, serve, ask, stop.
	$(BIN)/gerank demo

test: build ## All tests; RankLens ones where GERANK_RANKLENS names its events file.
	$(PY) -m pytest

check: build ## Lint, format, types, import arrows.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Rewrite sources in the project's format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

bench: build ## The benchmarks; results in benchmarks/results/.
	@for script in benchmarks/*.py; do echo "== $$script"; $(PY) $$script || exit 1; done

clean: ## Remove what was built; the virtual environment stays.
	rm -rf build dist gerank/lib gerank/include gerank/proto
