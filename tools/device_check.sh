#!/usr/bin/env bash
# Builds gerank for the GPU of this machine, checks it there and measures it, in at most eight minutes.
set -u

usage() {
  cat <<'TEXT'
tools/device_check.sh [--dry-run] [--steps NAME,...] [--limit NAME=SECONDS]... [--logs FOLDER]

  device         shows the GPU, nvcc and torch
  build          compiles gerank with its CUDA kernels, for this GPU's architecture alone
  ops            runs every test that needs a GPU
  memcheck       runs the small ones under compute-sanitizer: accesses out of bounds
  racecheck      the same: races in shared memory
  decode         measures decode_slates: benchmarks/results/decode_cuda.json
  training_step  measures a step of a policy: training_step_cuda.json
  train_epoch    measures an epoch of training, processor against GPU: train_epoch_cuda.json
  served         measures served pages by batch, processor against GPU: served_device_cuda.json

Each step has a limit of its own, prints its time, and stands for itself: one that fails does not stop
the later ones. A table of all steps comes last; the exit status is 1 if one of them failed.

  --dry-run  goes as far in every step as goes without a GPU, and says what the step would run; has ten times
             as long, since it runs on any machine
  --steps    these alone, in the order of the list above
  --limit    another limit; all of them together are 480 seconds
  --logs     where each step's output goes, and results are copied to; build/device_check by default

The environment variable PYTHON names an interpreter that has torch (.venv/bin/python, or else python3); gerank
need not be installed in it. JOBS is the number of compilers and of test processes; by default all cores.
TEXT
}

cd "$(dirname "$0")/.." || exit 1
if [ -z "${PYTHON:-}" ]; then
  PYTHON=python3
  [ -x .venv/bin/python ] && PYTHON=.venv/bin/python
fi
JOBS=${JOBS:-$(nproc)}
export CMAKE_BUILD_PARALLEL_LEVEL=$JOBS
export PYTHONPATH=$PWD:$PWD/server${PYTHONPATH:+:$PYTHONPATH}
export PYTHONUNBUFFERED=1

order=(device build ops memcheck racecheck decode training_step train_epoch served)
# Real runs and dry ones are command lines for bash, so that what would be run can be shown.
declare -A limit real dry

# An architecture as nvidia-smi tells it, 9.0, say; torch tells it where the tool is missing.
architecture() {
  nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | grep . ||
    "$PYTHON" -c 'import torch; print("%d.%d" % torch.cuda.get_device_capability())' 2>/dev/null
}

pytest="$PYTHON -m pytest -q -p no:cacheprovider"
small="tests/cuda/test_device.py -k small"
gpu_tests=$(grep -rlE --include='test_*.py' 'skipif\(not torch.cuda.is_available|reason="no CUDA device' tests | sort | tr '\n' ' ')
# Tests skip where they find no GPU: without this a step would pass that has tested nothing.
needs_gpu="$PYTHON -c 'import sys, torch, gerank.ops
torch.cuda.is_available() or sys.exit(\"torch %s sees no CUDA device\" % torch.__version__)
has = torch._C._dispatch_has_kernel_for_dispatch_key
has(\"gerank::decode_slates\", \"CUDA\") or sys.exit(\"libgerank was built without CUDA\")'"
without_gpu="export CUDA_VISIBLE_DEVICES=;"

limit[device]=10
real[device]="nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv && nvcc --version &&
$PYTHON -c 'import sys, torch; print(sys.version, torch.__version__, torch.version.cuda, torch.cuda.get_device_name())'"
dry[device]="$PYTHON -c 'import sys, torch; print(sys.version, torch.__version__)' &&
{ command -v nvcc compute-sanitizer nvidia-smi || true; }"

limit[build]=120
# The kernels of the CPU and their Python are looked at, and those of CUDA compiled where nvcc is.
dry[build]="$PYTHON -c 'import gerank.ops, gerank.ranker; print(gerank.__file__)' &&
$pytest -rs tests/cuda/test_compile.py"

limit[ops]=60
real[ops]="$needs_gpu && $pytest -n $((JOBS < 8 ? JOBS : 8)) $gpu_tests"
dry[ops]="$without_gpu $pytest --collect-only $gpu_tests"

for tool in memcheck racecheck; do
  limit[$tool]=45
  # Torch's allocator would put tensors side by side into one block, where no access is out of bounds.
  real[$tool]="$needs_gpu && PYTORCH_NO_CUDA_MEMORY_CACHING=1 \
compute-sanitizer --tool $tool --error-exitcode 1 --print-limit 20 $pytest $small"
  dry[$tool]="$without_gpu $pytest --collect-only $small"
done

limit[decode]=80
real[decode]="$PYTHON benchmarks/decode_cuda.py --seconds 0.5"
dry[decode]="$without_gpu $PYTHON benchmarks/decode_cuda.py --quick"

limit[training_step]=40
real[training_step]="$PYTHON benchmarks/training_step.py --device cuda --seconds 5"
dry[training_step]="$without_gpu $PYTHON benchmarks/training_step.py --quick --seconds 0.5"

limit[train_epoch]=50
real[train_epoch]="$PYTHON benchmarks/train_epoch.py --devices cpu cuda"
dry[train_epoch]="$without_gpu $PYTHON benchmarks/train_epoch.py --quick"

limit[served]=30
real[served]="$PYTHON benchmarks/served_device.py --device cuda"
dry[served]="$without_gpu $PYTHON benchmarks/served_device.py --quick"

is_step() { [ -n "${limit[$1]:-}" ]; }

unknown() {
  echo "device_check: $1" >&2
  exit 2
}

is_dry=
chosen=("${order[@]}")
logs=build/device_check
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) is_dry=yes ;;
    --steps)
      IFS=, read -ra asked <<<"${2:-}"
      for step in "${asked[@]}"; do is_step "$step" || unknown "--steps: $step is none of ${order[*]}"; done
      chosen=()
      for step in "${order[@]}"; do [[ " ${asked[*]} " == *" $step "* ]] && chosen+=("$step"); done
      [ ${#chosen[@]} -gt 0 ] || unknown "--steps: needs one of ${order[*]}"
      shift
      ;;
    --limit)
      step=${2%%=*} seconds=${2#*=}
      is_step "$step" || unknown "--limit: $step is none of ${order[*]}"
      [[ $seconds =~ ^[0-9]+(\.[0-9]+)?$ ]] || unknown "--limit: seconds of $step must be a number, got '$seconds'"
      limit[$step]=$seconds
      shift
      ;;
    --logs)
      logs=${2:?--logs needs a folder}
      shift
      ;;
    --help | -h) usage && exit 0 ;;
    *) unknown "$1 is no option: see --help" ;;
  esac
  shift
done

if [ -z "$is_dry" ] && [[ " ${chosen[*]} " == *" build "* ]]; then
  arch=$(architecture)
  [ -n "$arch" ] || echo "device_check: no GPU tells its architecture: sm_80 and sm_90 are built" >&2
fi
number=${arch:-}
chip=${number:+ -DTORCH_CUDA_ARCH_LIST=$number -DGERANK_CUDA_ARCHITECTURES=${number/./}-real}
real[build]="GERANK_CMAKE_ARGS='-DGERANK_CUDA=ON$chip' $PYTHON setup.py --quiet build_ext --inplace && $needs_gpu"

mkdir -p "$logs"
touch "$logs/.begun"
declare -A outcome taken
failed=0
for step in "${chosen[@]}"; do
  echo "== $step (at most ${limit[$step]} s)"
  command=${real[$step]}
  if [ -n "$is_dry" ]; then
    echo "would run: $command"
    command=${dry[$step]}
  fi
  begin=$(date +%s.%N)
  allowed=$(echo "${limit[$step]}" | awk -v factor="${is_dry:+10}" '{print $1 * (factor ? factor : 1)}')
  timeout --kill-after=5 "$allowed" bash -c "$command" >"$logs/$step.log" 2>&1
  status=$?
  taken[$step]=$(echo "$begin $(date +%s.%N)" | awk '{printf "%.1f", $2 - $1}')
  case $status in
    0) outcome[$step]=passed ;;
    124 | 137) outcome[$step]="timed out" ;;
    *) outcome[$step]="failed ($status)" ;;
  esac
  [ $status -eq 0 ] || failed=1
  tail -n 40 "$logs/$step.log"
  echo "-- $step: ${outcome[$step]}, ${taken[$step]} s"
done

if [ -z "$is_dry" ]; then
  find benchmarks/results -name '*_cuda.json' -newer "$logs/.begun" -exec cp -t "$logs" {} +
fi
rm "$logs/.begun"
printf '\n%-14s %-14s %8s %8s\n' step outcome seconds limit
for step in "${chosen[@]}"; do
  printf '%-14s %-14s %8s %8s\n' "$step" "${outcome[$step]}" "${taken[$step]}" "${limit[$step]}"
done
echo "the whole output of each step: $logs"
exit $failed
