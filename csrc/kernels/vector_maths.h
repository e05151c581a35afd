// The arithmetic of the decode ops over vectors, for any instruction set S (see simd_plain.h).
#pragma once

#include <cstdint>
#include <limits>

#include "product.h"

namespace gerank::cpu {
namespace {

// Calls `visit(load, store)` for consecutive vectors of [0, size): `load(p)` reads p[i..] and
// `store(p, x)` writes it, the last ones cut off at `size`.
template <typename S, typename Visit>
inline __attribute__((always_inline)) void for_each_vector(int64_t size, Visit visit) {
  int64_t i = 0;
  for (; i + S::kLanes <= size; i += S::kLanes) {
    visit([i](const auto* p) { return S::load(p + i); },
          [i](auto* p, auto x) { S::store(p + i, x); });
  }
  if (const int64_t rest = size - i; rest > 0) {
    visit([i, rest](const auto* p) { return S::load(p + i, rest); },
          [i, rest](auto* p, auto x) { S::store(p + i, x, rest); });
  }
}

template <typename S>
struct VectorMaths {
  using T = typename S::scalar_t;
  using vec = typename S::vec;

  static vec sigmoid(vec x) {
    return S::div(S::set(1), S::add(S::set(1), S::exp(S::sub(S::set(0), x))));
  }

  // (1 - tanh x) / 2 = 1 / (1 + e^2x): tanh and its derivative 4 r (1 - r) without cancellation.
  static vec half_complement(vec x) {
    return S::div(S::set(1), S::add(S::set(1), S::exp(S::add(x, x))));
  }

  static vec tanh(vec x) { return S::fnma(S::set(2), half_complement(x), S::set(1)); }

  // out += a * x.
  static void add_scaled(const T* x, T a, int64_t size, T* out) {
    for_each_vector<S>(
        size, [&](auto load, auto store) { store(out, S::fma(S::set(a), load(x), load(out))); });
  }

  static T largest_magnitude(const T* x, int64_t size) {
    vec most = S::set(0);
    for_each_vector<S>(size, [&](auto load, auto) { most = S::max(most, S::abs(load(x))); });
    return S::largest(most);
  }

  // x = e^2x.
  static void tabulate(T* x, int64_t size) {
    for_each_vector<S>(size, [&](auto load, auto store) {
      const vec one = load(x);
      store(x, S::exp(S::add(one, one)));
    });
  }

  // One step of torch.nn.GRUCell: `input` and `state` [3D] hold the two products with their biases,
  // `hidden` [D] is updated. `gates` [4D], when wanted, gets r, z, n and the state's part of n.
  static void gru(const T* input, const T* state, int64_t width, T* hidden, T* gates) {
    for_each_vector<S>(width, [&](auto load, auto store) {
      const vec r = sigmoid(S::add(load(input), load(state)));
      const vec z = sigmoid(S::add(load(input + width), load(state + width)));
      const vec from_state = load(state + 2 * width);
      const vec n = tanh(S::fma(r, from_state, load(input + 2 * width)));
      store(hidden, S::fma(z, S::sub(load(hidden), n), n));
      if (gates == nullptr) return;
      store(gates, r);
      store(gates + width, z);
      store(gates + 2 * width, n);
      store(gates + 3 * width, from_state);
    });
  }

  // A logit that overflowed would turn a softmax into NaN.
  static vec finite(vec x) {
    constexpr T kLargest = std::numeric_limits<T>::max() / 4;
    return S::min(S::max(x, S::set(-kLargest)), S::set(kLargest));
  }
};

}  // namespace
}  // namespace gerank::cpu
