#include "device.cuh"
#include "params.h"

namespace gerank::cuda {
namespace {

constexpr int kThreads = 256;

// Squares of what a request may hold would overflow.
template <typename scalar_t>
__device__ scalar_t bounded(scalar_t x) {
  const scalar_t most = scalar_t(1e17);
  return x > most ? most : x < -most ? -most : x;
}

// One thread per candidate and feature. Neighbouring threads take neighbouring features, so that
// they read the others' values side by side. Quadratic in M: at M <= 512 that beats sorting, and
// the set's moments, which every thread computes for itself, cost nothing beside it.
template <typename scalar_t>
__global__ void __launch_bounds__(kThreads)
    set_features_kernel(const __grid_constant__ SetParams<scalar_t> params) {
  const int64_t M = params.num_candidates, F = params.num_features;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= params.batch * M * F) return;
  const int64_t row = at / F, f = at % F, b = row / M;
  scalar_t* out = params.out + row * 3 * F + f;
  if (!params.mask[row]) {
    out[0] = out[F] = out[2 * F] = 0;
    return;
  }
  const bool* mask = params.mask + b * M;
  const scalar_t* column = params.values + b * M * F + f;
  const scalar_t own = params.values[at];
  int real = 0, less = 0, equal = 0;
  scalar_t sum = 0;
  for (int64_t other = 0; other < M; ++other) {
    if (!mask[other]) continue;
    const scalar_t value = column[other * F];
    real += 1;
    less += value < own;
    equal += value == own;
    sum += bounded(value);
  }
  const scalar_t mean = sum / real;
  scalar_t squares = 0;
  for (int64_t other = 0; other < M; ++other) {
    if (!mask[other]) continue;
    const scalar_t centred = bounded(column[other * F]) - mean;
    squares += centred * centred;
  }
  const scalar_t steps = (own - params.mean[f]) / params.deviation[f];
  out[0] = steps > 6 ? scalar_t(6) : steps < -6 ? scalar_t(-6) : steps;
  const scalar_t points = less + scalar_t(0.5) * equal;
  const scalar_t rank = real == 1 ? scalar_t(0.5) : (points - scalar_t(0.5)) / (real - 1);
  out[F] = 2 * rank - 1;
  const scalar_t deviation = sqrt(squares / real);
  const scalar_t least = scalar_t(1e-6) * ((mean < 0 ? -mean : mean) + scalar_t(1e-6));
  out[2 * F] = deviation < least ? 0 : (bounded(own) - mean) / (deviation + scalar_t(1e-12));
}

}  // namespace

template <typename scalar_t>
cudaError_t launch_set_features(const SetParams<scalar_t>& params, cudaStream_t stream) {
  const int64_t size =
      static_cast<int64_t>(params.batch) * params.num_candidates * params.num_features;
  if (size == 0) return cudaSuccess;
  const int blocks = static_cast<int>((size + kThreads - 1) / kThreads);
  return launch(&set_features_kernel<scalar_t>, params, blocks, kThreads, 0, stream);
}

template cudaError_t launch_set_features(const SetParams<float>&, cudaStream_t);
template cudaError_t launch_set_features(const SetParams<double>&, cudaStream_t);

}  // namespace gerank::cuda
