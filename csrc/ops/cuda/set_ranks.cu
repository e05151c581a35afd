#include "device.cuh"
#include "params.h"

namespace gerank::cuda {
namespace {

constexpr int kThreads = 256;

// One thread per candidate and feature. Neighbouring threads take neighbouring features, so that
// they read the others' values side by side. Quadratic in M: at M <= 512 that beats sorting.
template <typename scalar_t>
__global__ void __launch_bounds__(kThreads)
    set_ranks_kernel(const __grid_constant__ RanksParams<scalar_t> params) {
  const int64_t M = params.num_candidates, F = params.num_features;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= params.batch * M * F) return;
  const int64_t b = at / (M * F), m = at / F % M;
  const bool* mask = params.mask + b * M;
  if (!mask[m]) {
    params.ranks[at] = 0;
    return;
  }
  const scalar_t* column = params.features + b * M * F + at % F;
  const scalar_t own = params.features[at];
  int real = 0, less = 0, equal = 0;
  for (int64_t other = 0; other < M; ++other) {
    if (!mask[other]) continue;
    const scalar_t value = column[other * F];
    real += 1;
    less += value < own;
    equal += value == own;
  }
  const scalar_t points = less + scalar_t(0.5) * equal;
  params.ranks[at] = real == 1 ? scalar_t(0.5) : (points - scalar_t(0.5)) / (real - 1);
}

}  // namespace

template <typename scalar_t>
cudaError_t launch_set_ranks(const RanksParams<scalar_t>& params, cudaStream_t stream) {
  const int64_t size =
      static_cast<int64_t>(params.batch) * params.num_candidates * params.num_features;
  if (size == 0) return cudaSuccess;
  const int blocks = static_cast<int>((size + kThreads - 1) / kThreads);
  return launch(&set_ranks_kernel<scalar_t>, params, blocks, kThreads, 0, stream);
}

template cudaError_t launch_set_ranks(const RanksParams<float>&, cudaStream_t);
template cudaError_t launch_set_ranks(const RanksParams<double>&, cudaStream_t);

}  // namespace gerank::cuda
