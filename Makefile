# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Overridable: PYTHON, TORCH (any build of torch >= 2.11), VENV, JOBS.

PYTHON ?= python3
TORCH  ?= torch==2.13.0
VENV   ?= .venv
JOBS   ?= 2
ASAN_TESTS ?= tests/ops/test_decode_slates.py tests/ops/test_slate_log_prob.py tests/ops/test_pointer_step.py tests/ops/test_set_ranks.py
BIN    := $(VENV)/bin
PY     := $(BIN)/python
CPP    := $(shell git ls-files --cached --others --exclude-standard '*.cpp' '*.h' '*.cu' '*.cuh' 2>/dev/null)

export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

.PHONY: help setup build demo test test-asan test-cuda check format bench bench-cuda clean

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

# A build with the CUDA kernels; nothing is configured where it could not work.
define build_cuda
	@$(PY) -c "import sys, torch; torch.cuda.is_available() or sys.exit('$@: torch %s sees no CUDA device; needs a GPU and a CUDA build of torch (TORCH=...)' % torch.__version__)"
	@GERANK_CMAKE_ARGS=-DGERANK_CUDA=ON $(PY) setup.py --quiet build_ext --inplace
endef

test-cuda: setup ## The ops' tests, on this machine's GPU too.
	$(build_cuda)
	$(PY) -m pytest tests/cuda tests/ops

# A copy of the package around a library with sanitizers; torch itself is not instrumented, hence no
# leak check, and the interpreter needs the runtime before everything else.
test-asan: build ## The op tests under AddressSanitizer and UndefinedBehaviorSanitizer.
	@$(BIN)/cmake -S . -B build/asan/cmake -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	  -DCMAKE_PREFIX_PATH=$$($(PY) -c "import torch; print(torch.utils.cmake_prefix_path)") \
	  -DGERANK_LIBRARY_DIR=$(CURDIR)/build/asan/gerank/lib \
	  -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=vptr -Wno-error"
	@$(BIN)/cmake --build build/asan/cmake -j $(JOBS)
	@for part in gerank tests; do \
	  (mkdir -p build/asan/$$part && cd $$part && find . -name '*.py' -exec cp --parents -t $(CURDIR)/build/asan/$$part {} +) || exit 1; done
	@cp pyproject.toml build/asan
	@for set in avx512 avx2 plain; do echo "== $$set"; \
	  (cd build/asan && ASAN_OPTIONS=detect_leaks=0 GERANK_CPU=$$set OMP_NUM_THREADS=2 \
	   LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so)" \
	   $(abspath $(PY)) -m pytest -q -p no:cacheprovider $(ASAN_TESTS)) || exit 1; done

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

bench: build ## The benchmarks; results in benchmarks/results/. RankLens needs GERANK_RANKLENS.
	@for name in decode training_step simulator_quality ranklens_quality; do \
	  echo "== $$name"; $(PY) benchmarks/$$name.py || exit 1; done

bench-cuda: setup ## The benchmark on this machine's GPU.
	$(build_cuda)
	$(PY) benchmarks/decode_cuda.py

clean: ## Remove what was built; the virtual environment stays.
	rm -rf build dist gerank/lib gerank/include gerank/proto
