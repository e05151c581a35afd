# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Overridable: PYTHON, TORCH (any build of torch >= 2.11), VENV, JOBS.

PYTHON ?= python3
TORCH  ?= torch==2.13.0
VENV   ?= .venv
JOBS   ?= 2
SEEDS  ?= 10
ASAN_TESTS ?= tests/ops/test_decode_slates.py tests/ops/test_step_decoder.py tests/ops/test_slate_log_prob.py tests/ops/test_pointer_step.py tests/ops/test_set_features.py tests/ops/test_encode_set.py
BIN    := $(VENV)/bin
PY     := $(BIN)/python
CPP    := $(shell git ls-files --cached --others --exclude-standard '*.cpp' '*.h' '*.cu' '*.cuh' 2>/dev/null)

export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

.PHONY: help setup build install-cpp demo test test-seeds fuzz fuzz-front test-asan test-tsan test-cuda device-check check format bench soak bench-control bench-trust bench-compare bench-cuda clean

help: ## This list.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# What the system itself must bring, beyond a compiler, make, cmake and Python. `make setup` installs it
# with apt where it may, and says so first; SYSTEM_PACKAGES=no leaves the system alone. Whatever then
# lacks is left out, in one sentence.
SYSTEM_PACKAGES ?= yes
comma := ,

# Needs: how to see that they are there, the packages, what there is not without them.
define system_packages
	@{ $(1); } >/dev/null 2>&1 || \
	  { test "$(SYSTEM_PACKAGES)" = yes && test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	    echo "setup: apt-get install $(2)  (SYSTEM_PACKAGES=no leaves the system as it is)" && \
	    { apt-get install -qq -y --no-install-recommends $(2) >/dev/null 2>&1 || \
	      { apt-get update -qq && apt-get install -qq -y --no-install-recommends $(2) >/dev/null; }; }; } || \
	  echo "setup: $(3); to have it: apt-get install $(2)"
endef

# Without them everything works but the native front; `gerank serve` then uses the one in Python.
FRONT_PACKAGES := libnghttp2-dev libuv1-dev zlib1g-dev libssl-dev libtomlplusplus-dev libmicrohttpd-dev
HAS_FRONT := test -e /usr/include/nghttp2/nghttp2.h && test -e /usr/include/uv.h && test -e /usr/include/zlib.h && test -e /usr/include/openssl/ssl.h && test -e /usr/include/toml++/toml.h && test -e /usr/include/microhttpd.h

# For a client in C++: the example, the load generator and their tests.
GRPC_PACKAGES := libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
HAS_GRPC := command -v grpc_cpp_plugin && command -v protoc && test -e /usr/include/grpcpp/grpcpp.h

# The browser that the control page is tested in.
CHROMIUM_PACKAGES := chromium chromium-driver
HAS_CHROMIUM := command -v chromium && command -v chromedriver

# torch comes first and alone: an unpinned one, or a build-isolated one, would pull a CUDA build.
$(VENV)/.ready: pyproject.toml setup.py
	$(call system_packages,$(HAS_FRONT),$(FRONT_PACKAGES),no nghttp2$(comma) libuv$(comma) zlib$(comma) OpenSSL$(comma) toml++ or libmicrohttpd and so no native front)
	$(call system_packages,$(HAS_GRPC),$(GRPC_PACKAGES),no grpc++ and so no test of a client in C++)
	$(call system_packages,$(HAS_CHROMIUM),$(CHROMIUM_PACKAGES),no chromium and so no test of the control page in a browser)
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet "$(TORCH)" numpy "setuptools>=77" wheel ninja cmake pybind11 "grpcio-tools==1.74.*"
	$(PY) -m pip install --quiet --no-build-isolation --editable '.[dev]'
	@touch $@

setup: $(VENV)/.ready ## A virtual environment with everything, gerank installed in it.

build: setup ## Compile what changed.
	@$(PY) setup.py --quiet build_ext --inplace

COMPONENT ?= cpp
install-cpp: build ## What a C++ program needs, into PREFIX: libraries, headers, find_package(gerank). COMPONENT=runtime: without torch.
	@test -n "$(PREFIX)" || { echo "install-cpp: say where: make install-cpp PREFIX=/opt/gerank"; exit 1; }
	@$(BIN)/cmake --install build/cmake --component "$(COMPONENT)" --prefix "$(PREFIX)"

demo: build ## Train on the simulator, export, serve, ask, stop.
	$(BIN)/gerank demo

# One thread for each of the JOBS processes: more would take the cores from each other. Tests that are
# about threads ask for them.
test test-seeds: export OMP_NUM_THREADS ?= 1
test: build ## All tests, JOBS files side by side; RankLens ones where GERANK_RANKLENS names its events file.
	$(PY) -m pytest -n $(JOBS) --dist loadfile

test-seeds: build ## The tests with random inputs, under SEEDS fresh seeds.
	@for run in $$(seq $(SEEDS)); do $(PY) -m pytest -q -m random || exit 1; done

fuzz: build ## 100,000 mutated requests against each front and protocol, and protobuf's own reading; 10,000 valid ones by every way.
	GERANK_FUZZ_REQUESTS=100000 $(PY) -m pytest tests/server/test_mutations.py tests/wire/test_reading.py \
	  tests/front/test_inference_calls.py::test_mutated_requests_are_answered_or_refused_cleanly
	GERANK_SLATE_REQUESTS=10000 $(PY) -m pytest tests/server/test_same_slate.py

# What one of the two fuzzers finds lies in build/fuzz as a file, which it takes as its argument again.
FUZZ_SECONDS ?= 1800

fuzz-front: build ## The native front under libFuzzer, FUZZ_SECONDS for each of two fuzzers; needs clang++ with compiler-rt.
	@command -v clang++ >/dev/null || { echo "fuzz-front: needs clang++ and its libFuzzer (Debian: apt-get install clang libclang-rt-14-dev)"; exit 1; }
	@$(BIN)/cmake -S tests/fuzz -B build/fuzz -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DCMAKE_CXX_COMPILER=clang++ \
	  -DCMAKE_PREFIX_PATH="$$($(PY) -c "import gerank; print(gerank.cmake_prefix_path)")"
	@$(BIN)/cmake --build build/fuzz -j $(JOBS)
	@$(PY) -m tests.fuzz.write_seeds build/fuzz/seeds
	@for name in request connection; do mkdir -p build/fuzz/corpus/$$name; \
	  LD_LIBRARY_PATH="$$($(PY) -c "import torch; print(torch.__path__[0])")/lib" build/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) \
	  -max_len=8192 -timeout=20 -artifact_prefix=build/fuzz/ build/fuzz/corpus/$$name build/fuzz/seeds/$$name tests/fuzz/corpus/$$name || exit 1; done

# A build with the CUDA kernels; nothing is configured where it could not work.
define build_cuda
	@$(PY) -c "import sys, torch; torch.cuda.is_available() or sys.exit('$@: torch %s sees no CUDA device; needs a GPU and a CUDA build of torch (TORCH=...)' % torch.__version__)"
	@GERANK_CMAKE_ARGS=-DGERANK_CUDA=ON $(PY) setup.py --quiet build_ext --inplace
endef

test-cuda: setup ## The ops' tests, on this machine's GPU too.
	$(build_cuda)
	$(PY) -m pytest tests/cuda tests/ops

CALL_AN_OP := import gerank.ops, torch; \
  torch.ops.gerank.set_features(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool), torch.zeros(1), torch.ones(1))

# A copy of the package around a library with sanitizers; torch itself is not instrumented, hence no
# leak check, and the interpreter needs the runtime before everything else.
test-asan: build ## The op tests and those of the native server under AddressSanitizer and UndefinedBehaviorSanitizer.
	@$(BIN)/cmake -S . -B build/asan/cmake -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	  -DCMAKE_PREFIX_PATH="$$($(PY) -c "import pybind11, torch; print(f'{torch.utils.cmake_prefix_path};{pybind11.get_cmake_dir()}')")" \
	  -DGERANK_PYTHON=ON -DPython_EXECUTABLE=$(abspath $(PY)) -DGERANK_MODULE_DIR=$(CURDIR)/build/asan/gerank \
	  -DGERANK_LIBRARY_DIR=$(CURDIR)/build/asan/gerank/lib \
	  -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=vptr -Wno-error"
	@$(BIN)/cmake --build build/asan/cmake -j $(JOBS)
	@for part in gerank server tests; do \
	  (mkdir -p build/asan/$$part && cd $$part && find . -name '*.py' -exec cp --parents -t $(CURDIR)/build/asan/$$part {} +) || exit 1; done
	@cp pyproject.toml build/asan
	@for set in avx512 avx2 plain; do echo "== $$set"; \
	  GERANK_CPU=$$set $(PY) -c "$(CALL_AN_OP)" 2>/dev/null || { echo "skipped: not of this processor"; continue; }; \
	  (cd build/asan && ASAN_OPTIONS=detect_leaks=0 GERANK_CPU=$$set OMP_NUM_THREADS=2 \
	   LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so)" \
	   $(abspath $(PY)) -m pytest -q --capture=sys -p no:cacheprovider $(ASAN_TESTS)) || exit 1; done
	@echo "== native server"; cd build/asan && ASAN_OPTIONS=detect_leaks=0 OMP_NUM_THREADS=1 \
	   LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so)" \
	   $(abspath $(PY)) -m pytest -q --capture=sys -p no:cacheprovider tests/server -k native --deselect tests/server/test_same_slate.py

# The engine and its tests alone are instrumented; of the runtime, which is not, they meet the kernels.
test-tsan: build ## The engine's tests under ThreadSanitizer.
	@$(BIN)/cmake -S tests/engine/tsan -B build/tsan -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	  -DCMAKE_PREFIX_PATH="$$($(PY) -c 'import gerank; print(gerank.cmake_prefix_path)')"
	@$(BIN)/cmake --build build/tsan -j $(JOBS)
	@PYTHONPATH=. $(PY) -m tests.engine.write_artifact build/tsan/model.gerank
	@GERANK_TEST_ARTIFACT=build/tsan/model.gerank OMP_NUM_THREADS=1 TSAN_OPTIONS=exitcode=66 build/tsan/engine_tests

# These are the parts of the C++ without torch's headers, which alone take longer than all of these.
TIDY := (csrc/wire|csrc/exposures|server/native)/.*\.cpp$$

check: build ## Lint, format, types, import arrows.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	$(PY) $(BIN)/run-clang-tidy.py -clang-tidy-binary $(BIN)/clang-tidy -p build/cmake -j $(JOBS) -quiet '$(TIDY)'
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Rewrite sources in the project's format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

bench: build ## The benchmarks; results in benchmarks/results/. RankLens needs GERANK_RANKLENS.
	@for name in decode training_step generator_step serving simulator_quality ranklens_quality; do \
	  echo "== $$name"; $(PY) benchmarks/$$name.py || exit 1; done

soak: build ## The native server under load for half an hour: what is lost, what grows. Needs grpc++.
	$(PY) benchmarks/soak.py

bench-control: build ## Control, flow, exploration, calibration: about three quarters of an hour on one core.
	@for name in control flow_control exploration calibration; do \
	  echo "== $$name"; OMP_NUM_THREADS=1 $(PY) benchmarks/$$name.py || exit 1; done

bench-trust: build ## Verdicts against the truth, and logs of other systems: some hours on two cores; goes on where it stopped. Needs GERANK_LOGS.
	@OMP_NUM_THREADS=1 $(PY) benchmarks/trust.py --workers $(JOBS)
	@OMP_NUM_THREADS=1 $(PY) benchmarks/foreign_logs.py

bench-compare: build ## Every comparator on four logs, and gerank without each of its parts: many hours on two cores; goes on where it stopped. Needs GERANK_RANKLENS, GERANK_LOGS.
	@OMP_NUM_THREADS=1 $(PY) benchmarks/side_by_side.py
	@OMP_NUM_THREADS=1 $(PY) benchmarks/ablations.py

bench-cuda: setup ## The benchmark on this machine's GPU.
	$(build_cuda)
	$(PY) benchmarks/decode_cuda.py

device-check: setup ## Everything that needs a GPU, in at most eight minutes: build, tests, sanitizers, benchmarks; results in benchmarks/results/.
	PYTHON=$(PY) JOBS=$(JOBS) tools/device_check.sh

clean: ## Remove what was built; the virtual environment stays.
	rm -rf build dist gerank/lib gerank/include gerank/proto
