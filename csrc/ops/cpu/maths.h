// The arithmetic of the decode ops on one CPU: plain loops that a compiler vectorises.
//
// The drivers in decoder.h and slate_gradient.h take it as a template argument, so that another
// instruction set is another struct with these members. Each sum has a fixed order that depends on
// its length alone: a request's answer is bitwise the same alone, in a batch, on any thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace gerank::cpu {

// e^x without a branch, so that loops around it vectorise. Cody-Waite reduction to |r| <= ln2 / 2,
// then a polynomial (Cephes); within 2 ulp. Below -87 the result is a small positive number.
inline float exponential(float x) {
  x = std::min(std::max(x, -87.0f), 88.0f);
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = x * 1.44269504088896341f + kRounder;
  const float n = shifted - kRounder;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  const uint32_t power = (std::bit_cast<uint32_t>(shifted) + 127u) << 23;  // 2^n
  return y * std::bit_cast<float>(power);
}

inline double exponential(double x) { return std::exp(std::min(std::max(x, -700.0), 700.0)); }

template <typename scalar_t>
inline scalar_t sigmoid(scalar_t x) {
  return scalar_t(1) / (scalar_t(1) + exponential(-x));
}

// (1 - tanh x) / 2 = 1 / (1 + e^2x): tanh and its derivative 4 r (1 - r) without cancellation.
template <typename scalar_t>
inline scalar_t half_complement(scalar_t x) {
  return scalar_t(1) / (scalar_t(1) + exponential(x + x));
}

template <typename scalar_t>
inline scalar_t tanh_of(scalar_t x) {
  return scalar_t(1) - scalar_t(2) * half_complement(x);
}

// A logit that overflowed would turn a softmax into NaN.
template <typename scalar_t>
inline scalar_t finite(scalar_t x) {
  constexpr scalar_t kLargest = std::numeric_limits<scalar_t>::max() / 4;
  return x >= -kLargest ? std::min(x, kLargest) : -kLargest;
}

template <typename T>
struct PlainMaths {
  using scalar_t = T;

  // out[r, j] = bias[j] + sum_k x[r, k] * w[k, j]. Rows of `w` are ldw apart; no bias: nullptr.
  static void product(const T* x, int64_t ldx, int64_t rows, int64_t depth, const T* w, int64_t ldw,
                      int64_t columns, const T* bias, T* out, int64_t ldo) {
    for (int64_t r = 0; r < rows; ++r) {
      int64_t j = 0;
      for (; j + kTile <= columns; j += kTile) {
        product_tile<kTile>(x + r * ldx, depth, w + j, ldw, bias ? bias + j : nullptr,
                            out + r * ldo + j);
      }
      for (; j < columns; ++j) {
        product_tile<1>(x + r * ldx, depth, w + j, ldw, bias ? bias + j : nullptr,
                        out + r * ldo + j);
      }
    }
  }

  // out[k] += sum_j w[k, j] * x[j].
  static void add_transposed_product(const T* x, int64_t columns, const T* w, int64_t ldw,
                                     int64_t depth, T* out) {
    for (int64_t k = 0; k < depth; ++k) out[k] += dot(w + k * ldw, x, columns);
  }

  // out += a * x.
  static void add_scaled(const T* x, T a, int64_t size, T* __restrict__ out) {
    for (int64_t i = 0; i < size; ++i) out[i] += a * x[i];
  }

  // One step of torch.nn.GRUCell: `input` and `state` [3D] hold the two products with their biases,
  // `hidden` [D] is updated. `gates` [4D], when wanted, gets r, z, n and the state's part of n.
  static void gru(const T* input, const T* state, int64_t width, T* hidden, T* gates) {
    for (int64_t i = 0; i < width; ++i) {
      const T r = sigmoid(input[i] + state[i]);
      const T z = sigmoid(input[width + i] + state[width + i]);
      const T n = tanh_of(input[2 * width + i] + r * state[2 * width + i]);
      hidden[i] = n + z * (hidden[i] - n);
      if (gates == nullptr) continue;
      gates[i] = r;
      gates[width + i] = z;
      gates[2 * width + i] = n;
      gates[3 * width + i] = state[2 * width + i];
    }
  }

  // v . tanh(key + row): additive attention, one candidate.
  static T score(const T* key, const T* row, const T* v, int64_t width) {
    T lane[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      for (int64_t j = 0; j < kLanes; ++j) {
        lane[j] += v[i + j] * tanh_of(key[i + j] + row[i + j]);
      }
    }
    T rest = 0;
    for (; i < width; ++i) rest += v[i] * tanh_of(key[i] + row[i]);
    return finite(sum_lanes(lane) + rest);
  }

  // The gradient of `score`, times `grad`, added to that of key, row and v.
  static void score_gradient(const T* key, const T* row, const T* v, T grad, int64_t width,
                             T* __restrict__ grad_key, T* __restrict__ grad_row,
                             T* __restrict__ grad_v) {
    for (int64_t i = 0; i < width; ++i) {
      const T r = half_complement(key[i] + row[i]);
      const T grad_x = grad * v[i] * (T(4) * r * (T(1) - r));
      grad_v[i] += grad * (T(1) - T(2) * r);
      grad_key[i] += grad_x;
      grad_row[i] += grad_x;
    }
  }

 private:
  static constexpr int64_t kTile = 32;
  static constexpr int64_t kLanes = 16;

  template <int64_t kWidth>
  static void product_tile(const T* x, int64_t depth, const T* w, int64_t ldw, const T* bias,
                           T* out) {
    T sum[kWidth] = {};
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t j = 0; j < kWidth; ++j) sum[j] += x[k] * w[k * ldw + j];
    }
    for (int64_t j = 0; j < kWidth; ++j) out[j] = sum[j] + (bias ? bias[j] : T(0));
  }

  static T dot(const T* a, const T* b, int64_t size) {
    T lane[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes) {
      for (int64_t j = 0; j < kLanes; ++j) lane[j] += a[i + j] * b[i + j];
    }
    T rest = 0;
    for (; i < size; ++i) rest += a[i] * b[i];
    return sum_lanes(lane) + rest;
  }

  static T sum_lanes(T (&lane)[kLanes]) {
    for (int64_t step = kLanes / 2; step > 0; step /= 2) {
      for (int64_t j = 0; j < step; ++j) lane[j] += lane[j + step];
    }
    return lane[0];
  }
};

}  // namespace gerank::cpu
