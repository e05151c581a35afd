// The scalar arithmetic of the kernels, in float and double.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "../../decode/philox.h"

namespace gerank::cuda {

// The functions of numeric_limits are the host's.
template <typename scalar_t>
constexpr scalar_t kMaximum = std::numeric_limits<scalar_t>::max();
template <typename scalar_t>
constexpr scalar_t kInfinity = std::numeric_limits<scalar_t>::infinity();
template <typename scalar_t>
constexpr scalar_t kNaN = std::numeric_limits<scalar_t>::quiet_NaN();

// a * b + c, in one rounding on a device: said outright, so that no two instances of a template
// round differently and a request's answer has the same bits whatever it travels with.
__device__ __forceinline__ float multiply_add(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  return fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

__device__ __forceinline__ double multiply_add(double a, double b, double c) {
#if defined(__CUDA_ARCH__)
  return fma(a, b, c);
#else
  return a * b + c;
#endif
}

__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ double exponential(double x) { return exp(x); }
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
__device__ __forceinline__ double logarithm(double x) { return log(x); }

// 1 / x for x >= 1, within 1 ulp; 0 at infinity, and where the result would be denormal.
__device__ __forceinline__ float reciprocal(float x) {
#if defined(__CUDA_ARCH__)
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return 1.0f / x;
#endif
}
__device__ __forceinline__ double reciprocal(double x) { return 1.0 / x; }

template <typename scalar_t>
__device__ __forceinline__ scalar_t sigmoid(scalar_t x) {
  return scalar_t(1) / (scalar_t(1) + exponential(-x));
}

// (1 - tanh x) / 2 = 1 / (1 + e^2x): tanh and its derivative 4 r (1 - r) without cancellation.
template <typename scalar_t>
__device__ __forceinline__ scalar_t half_complement(scalar_t x) {
  return reciprocal(scalar_t(1) + exponential(x + x));
}

template <typename scalar_t>
__device__ __forceinline__ scalar_t tanh_of(scalar_t x) {
  return scalar_t(1) - scalar_t(2) * half_complement(x);
}

// A logit that overflowed would turn a softmax into NaN.
template <typename scalar_t>
__device__ __forceinline__ scalar_t finite(scalar_t x) {
  constexpr scalar_t kLargest = kMaximum<scalar_t> / 4;
  if (!(x >= -kLargest)) return -kLargest;
  return x > kLargest ? kLargest : x;
}

template <typename scalar_t>
__device__ __forceinline__ bool is_finite(scalar_t x) {
  return x >= -kMaximum<scalar_t> && x <= kMaximum<scalar_t>;
}

// Gumbel noise -log(-log u), u = open_uniform(word). In float u or 1 - u is exact, whichever is
// below one half, so that the noise is good to float's precision at both ends.
template <typename scalar_t>
__device__ __forceinline__ scalar_t gumbel_noise(uint32_t word) {
  if constexpr (std::is_same_v<scalar_t, double>) {
    return -log(-log(open_uniform(word)));
  } else {
    const uint32_t steps = word >> 8;  // u = (steps + 0.5) / 2^24
    if (steps < (1u << 23)) return -logf(-logf((static_cast<float>(steps) + 0.5f) * 0x1p-24f));
    const float rest = (static_cast<float>((1u << 24) - 1 - steps) + 0.5f) * 0x1p-24f;
    return -logf(-log1pf(-rest));
  }
}

}  // namespace gerank::cuda
