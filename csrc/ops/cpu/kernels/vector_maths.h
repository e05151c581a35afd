// The arithmetic of the decode ops over vectors, for any instruction set S (see simd_plain.h).
#pragma once

#include <cstdint>
#include <limits>

#include "product.h"

namespace gerank::cpu {
namespace {

// Calls `visit(i, load, store)` for consecutive vectors of [0, size): `load(p)` reads p[i..] and
// `store(p, x)` writes it, the last ones cut off at `size`.
template <typename S, typename Visit>
inline __attribute__((always_inline)) void for_each_vector(int64_t size, Visit visit) {
  using T = typename S::scalar_t;
  using vec = typename S::vec;
  int64_t i = 0;
  for (; i + S::kLanes <= size; i += S::kLanes) {
    visit([i](const T* p) { return S::load(p + i); }, [i](T* p, vec x) { S::store(p + i, x); });
  }
  if (const int64_t rest = size - i; rest > 0) {
    visit([i, rest](const T* p) { return S::load(p + i, rest); },
          [i, rest](T* p, vec x) { S::store(p + i, x, rest); });
  }
}

template <typename S>
struct VectorMaths {
  using T = typename S::scalar_t;
  using vec = typename S::vec;

  static vec quotient(vec numerator, vec x) { return S::refine(S::estimate(x), x, numerator); }

  static vec sigmoid(vec x) {
    return quotient(S::set(1), S::add(S::set(1), S::exp(S::sub(S::set(0), x))));
  }

  // (1 - tanh x) / 2 = 1 / (1 + e^2x): tanh and its derivative 4 r (1 - r) without cancellation.
  static vec half_complement(vec x) {
    return quotient(S::set(1), S::add(S::set(1), S::exp(S::add(x, x))));
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
  static T finite(T x) {
    constexpr T kLargest = std::numeric_limits<T>::max() / 4;
    return !(x >= -kLargest) ? -kLargest : x > kLargest ? kLargest : x;
  }
};

// Additive attention: v . tanh(key + row) of many candidates, each with the row of its class.
template <typename S>
class Scorer {
 public:
  using T = typename S::scalar_t;

  // A key table e^2key and a row e^2row give tanh(key + row) = 1 - 2 / (1 + e^2key e^2row). This is
  // the largest |key| + |row| for which the product of two such denominators is finite.
  static constexpr T kTableRange = 21;

  Scorer(const T* v, int64_t width) : v_(v), width_(width) {
    vec sum = S::set(0);
    for_each_vector<S>(width, [&](auto load, auto) { sum = S::add(sum, load(v)); });
    sum_ = S::sum(sum);
  }

  // logits[i] for the keys `keys + candidates[i] * H` and the rows `rows + classes[i] * H`.
  // kTables: both hold e^2x in place of x.
  template <bool kTables>
  void score(const T* keys, const T* rows, const int16_t* candidates, const int16_t* classes,
             int count, T* logits) const {
    for (int i = 0; i < count; i += 4) {
      const T* key[4];
      const T* row[4];
      for (int j = 0; j < 4; ++j) {
        const int at = i + j < count ? i + j : count - 1;
        key[j] = keys + candidates[at] * width_;
        row[j] = rows + classes[at] * width_;
      }
      T sums[4];
      four<kTables>(key, row, sums);
      const int left = count - i < 4 ? count - i : 4;
      for (int j = 0; j < left; ++j) logits[i + j] = VectorMaths<S>::finite(sum_ - 2 * sums[j]);
    }
  }

 private:
  using vec = typename S::vec;

  // sums[j] = sum_i v_i / (1 + e^2x_i), x = key[j] + row[j].
  template <bool kTables>
  void four(const T* const* key, const T* const* row, T* sums) const {
    constexpr int L = S::kLanes;
    vec total[4] = {S::set(0), S::set(0), S::set(0), S::set(0)};
    int64_t i = 0;
    if constexpr (kTables) {
      for (; i + 2 * L <= width_; i += 2 * L) {
        const vec v0 = S::load(v_ + i), v1 = S::load(v_ + i + L);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          const vec x0 = S::fma(S::load(key[j] + i), S::load(row[j] + i), S::set(1));
          const vec x1 = S::fma(S::load(key[j] + i + L), S::load(row[j] + i + L), S::set(1));
          total[j] = S::add(total[j], pair(v0, x0, v1, x1));
        }
      }
    }
    for (; i + L <= width_; i += L) {
      const vec v = S::load(v_ + i);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        total[j] = S::add(total[j], single<kTables>(v, S::load(key[j] + i), S::load(row[j] + i)));
      }
    }
    if (const int64_t rest = width_ - i; rest > 0) {
      const vec v = S::load(v_ + i, rest);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        total[j] = S::add(total[j],
                          single<kTables>(v, S::load(key[j] + i, rest), S::load(row[j] + i, rest)));
      }
    }
    S::sum4(total, sums);
  }

  // v0 / x0 + v1 / x1 with one reciprocal.
  static vec pair(vec v0, vec x0, vec v1, vec x1) {
    return VectorMaths<S>::quotient(S::fma(v1, x0, S::mul(v0, x1)), S::mul(x0, x1));
  }

  template <bool kTables>
  static vec single(vec v, vec key, vec row) {
    vec x;
    if constexpr (kTables) {
      x = S::fma(key, row, S::set(1));
    } else {
      const vec sum = S::add(key, row);
      x = S::add(S::set(1), S::exp(S::add(sum, sum)));
    }
    return VectorMaths<S>::quotient(v, x);
  }

  const T* v_;
  int64_t width_;
  T sum_;
};

}  // namespace
}  // namespace gerank::cpu
