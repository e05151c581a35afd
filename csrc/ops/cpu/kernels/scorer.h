// Additive attention: v . tanh(key + row) of the candidates that a slot may take.
#pragma once

#include <cstdint>

#include "attention_tables.h"
#include "context_codes.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

template <typename S>
class Scorer {
 public:
  using T = typename S::scalar_t;

  // The largest |1/v + e^2x / v| for which the product of two, or of four, is finite.
  static constexpr T kPairRange = sizeof(T) == sizeof(float) ? T(0x1p62) : T(0x1p500);
  static constexpr T kQuadRange = sizeof(T) == sizeof(float) ? T(0x1p31) : T(0x1p250);

  // What a slot's scores are made of, all as powers: see AttentionTables.
  struct Powers {
    const AttentionTables<S>& tables;
    const T* keys;  // [M, H] e^2key
    const ContextCodes& codes;
    const T* const* rows;  // [patterns], each [H]: e^2(query + W_c c of the flags) / v
    int64_t width;
    T largest;  // as AttentionTables::combine returns it
  };

  // logits[i] of candidates[i], i < count; there is room for whole vectors.
  static void by_powers(const Powers& powers, int sets, const int16_t* candidates, int count,
                        T* logits) {
    const bool is_small = powers.largest <= kQuadRange;
    switch (sets) {
      case 0:
        return is_small ? all<0, true>(powers, candidates, count, logits)
                        : all<0, false>(powers, candidates, count, logits);
      case 1:
        return is_small ? all<1, true>(powers, candidates, count, logits)
                        : all<1, false>(powers, candidates, count, logits);
      default:
        return is_small ? all<2, true>(powers, candidates, count, logits)
                        : all<2, false>(powers, candidates, count, logits);
    }
  }

  // logits[i] = v . tanh(x[i]) for any x [count, H].
  static void directly(const T* x, const T* v, int64_t width, int count, T* logits) {
    vec sum_of_v = S::set(0);
    for_each_vector<S>(width, [&](auto load, auto) { sum_of_v = S::add(sum_of_v, load(v)); });
    const T sum = S::sum(sum_of_v);
    for (int i = 0; i < count; ++i) {
      const T* row = x + i * width;
      vec total = S::set(0);
      for_each_vector<S>(width, [&](auto load, auto) {
        total = S::fma(load(v), VectorMaths<S>::half_complement(load(row)), total);
      });
      logits[i] = sum - 2 * S::sum(total);
    }
    for (int i = 0; i < count; i += S::kLanes) {
      S::store(logits + i, VectorMaths<S>::finite(S::load(logits + i)));
    }
  }

 private:
  using vec = typename S::vec;
  static constexpr int kAtOnce = 4;

  // One candidate's powers.
  struct Factors {
    const T* key;
    const T* groups[kMostCodeSets];
    const T* row;
  };

  template <int kSets, bool kQuads>
  static void all(const Powers& powers, const int16_t* candidates, int count, T* logits) {
    for (int i = 0; i < count; i += kAtOnce) {
      Factors factors[kAtOnce];
#pragma GCC unroll 4
      for (int j = 0; j < kAtOnce; ++j) {
        const int m = candidates[i + j < count ? i + j : count - 1];
        factors[j].key = powers.keys + m * powers.width;
        factors[j].row = powers.rows[powers.codes.pattern(m)];
#pragma GCC unroll 2
        for (int set = 0; set < kSets; ++set) {
          factors[j].groups[set] = powers.tables.row(set, powers.codes.code(set, m));
        }
      }
      four<kSets, kQuads>(factors, powers.tables.inverse_v(), powers.width, logits + i);
    }
    const vec sum = S::set(powers.tables.sum()), scale = S::set(powers.tables.scale());
    for (int i = 0; i < count; i += S::kLanes) {
      const vec logit = S::mul(scale, S::fnma(S::set(2), S::load(logits + i), sum));
      S::store(logits + i, VectorMaths<S>::finite(logit));
    }
  }

  // sums[j] = sum of 1 / (1/v + e^2x / v) over candidate j's elements, as many as share a division.
  template <int kSets, bool kQuads>
  static void four(const Factors* factors, const T* inverse_v, int64_t width, T* sums) {
    constexpr int L = S::kLanes;
    vec total[kAtOnce] = {S::set(0), S::set(0), S::set(0), S::set(0)};
    int64_t i = 0;
    if constexpr (kQuads) {
      for (; i + 4 * L <= width; i += 4 * L) {
#pragma GCC unroll 4
        for (int j = 0; j < kAtOnce; ++j) {
          total[j] = add_quad<kSets>(factors[j], inverse_v, i, total[j]);
        }
      }
    }
    for (; i + 2 * L <= width; i += 2 * L) {
#pragma GCC unroll 4
      for (int j = 0; j < kAtOnce; ++j) {
        const vec x0 = denominator<kSets>(factors[j], inverse_v, i);
        const vec x1 = denominator<kSets>(factors[j], inverse_v, i + L);
        total[j] = S::fma(S::add(x0, x1), S::reciprocal(S::mul(x0, x1)), total[j]);
      }
    }
    for (; i + L <= width; i += L) {
#pragma GCC unroll 4
      for (int j = 0; j < kAtOnce; ++j) {
        const vec x = denominator<kSets>(factors[j], inverse_v, i);
        total[j] = S::add(total[j], S::reciprocal(x));
      }
    }
    S::sum4(total, sums);
    for (; i < width; ++i) {
      for (int j = 0; j < kAtOnce; ++j)
        sums[j] += 1 / last_denominator<kSets>(factors[j], inverse_v, i);
    }
  }

  // total + 1/x0 + 1/x1 + 1/x2 + 1/x3 with one reciprocal.
  template <int kSets>
  static vec add_quad(const Factors& factors, const T* inverse_v, int64_t i, vec total) {
    constexpr int L = S::kLanes;
    const vec x0 = denominator<kSets>(factors, inverse_v, i);
    const vec x1 = denominator<kSets>(factors, inverse_v, i + L);
    const vec x2 = denominator<kSets>(factors, inverse_v, i + 2 * L);
    const vec x3 = denominator<kSets>(factors, inverse_v, i + 3 * L);
    const vec first = S::mul(x0, x1), second = S::mul(x2, x3);
    const vec numerator = S::fma(S::add(x0, x1), second, S::mul(S::add(x2, x3), first));
    return S::fma(numerator, S::reciprocal(S::mul(first, second)), total);
  }

  template <int kSets>
  static vec denominator(const Factors& factors, const T* inverse_v, int64_t i) {
    vec power = S::load(factors.key + i);
#pragma GCC unroll 2
    for (int set = 0; set < kSets; ++set) power = S::mul(power, S::load(factors.groups[set] + i));
    return S::fma(power, S::load(factors.row + i), S::load(inverse_v + i));
  }

  // Of one element.
  template <int kSets>
  static T last_denominator(const Factors& factors, const T* inverse_v, int64_t i) {
    T power = factors.key[i];
    for (int set = 0; set < kSets; ++set) power *= factors.groups[set][i];
    return power * factors.row[i] + inverse_v[i];
  }
};

}  // namespace
}  // namespace gerank::cpu
