// Additive attention: v . tanh(key + row) of the candidates that a slot may take.
#pragma once

#include <cstdint>

#include "attention_tables.h"
#include "context_codes.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// Vectors of an array that is read again and again: in registers where its size is known, if not 0.
template <typename S, int kSize>
struct KeptVectors {
  explicit KeptVectors(const typename S::scalar_t* values) {
#pragma GCC unroll 16
    for (int i = 0; i < kSize / S::kLanes; ++i) kept[i] = S::load(values + i * S::kLanes);
  }
  typename S::vec at(int64_t i) const { return kept[i / S::kLanes]; }

  typename S::vec kept[kSize / S::kLanes];
};
template <typename S>
struct KeptVectors<S, 0> {
  explicit KeptVectors(const typename S::scalar_t* given) : values(given) {}
  typename S::vec at(int64_t i) const { return S::load(values + i); }

  const typename S::scalar_t* values;
};

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
    switch (sets) {
      case 0:
        return by_sets<0>(powers, candidates, count, logits);
      case 1:
        return by_sets<1>(powers, candidates, count, logits);
      default:
        return by_sets<2>(powers, candidates, count, logits);
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
  static constexpr int L = S::kLanes;
  static constexpr int kAtOnce = 4;

  // One candidate's powers.
  struct Factors {
    const T* key;
    const T* groups[kMostCodeSets];
    const T* row;
  };

  // Common widths are known to the compiler: it unrolls the loops and keeps 1/v in registers.
  template <int kSets>
  static void by_sets(const Powers& powers, const int16_t* candidates, int count, T* logits) {
    const bool shares_by_four = powers.largest <= kQuadRange;
    if (!shares_by_four) return all<kSets, false, 0>(powers, candidates, count, logits);
    if (powers.width == 64) return all<kSets, true, 64>(powers, candidates, count, logits);
    if (powers.width == 128) return all<kSets, true, 128>(powers, candidates, count, logits);
    return all<kSets, true, 0>(powers, candidates, count, logits);
  }

  // kWidth: the width, or 0 for any.
  template <int kSets, bool kQuads, int kWidth>
  static void all(const Powers& powers, const int16_t* candidates, int count, T* logits) {
    const int64_t width = kWidth > 0 ? kWidth : powers.width;
    const KeptVectors<S, kWidth> inverse_v(powers.tables.inverse_v());
    for (int i = 0; i < count; i += kAtOnce) {
      vec total[kAtOnce];
#pragma GCC unroll 4
      for (int j = 0; j < kAtOnce; ++j) {
        total[j] = S::set(0);
        if (i + j >= count) continue;
        const Factors factors = factors_of<kSets>(powers, candidates[i + j], width);
        total[j] = sum_of_inverses<kSets, kQuads>(factors, inverse_v, width);
      }
      S::sum4(total, logits + i);
    }
    if (width % L != 0) add_last<kSets>(powers, candidates, count, logits);
    const vec sum = S::set(powers.tables.sum()), scale = S::set(powers.tables.scale());
    for (int i = 0; i < count; i += L) {
      const vec logit = S::mul(scale, S::fnma(S::set(2), S::load(logits + i), sum));
      S::store(logits + i, VectorMaths<S>::finite(logit));
    }
  }

  template <int kSets>
  static Factors factors_of(const Powers& powers, int m, int64_t width) {
    Factors factors;
    factors.key = powers.keys + m * width;
    factors.row = powers.rows[powers.codes.pattern(m)];
#pragma GCC unroll 2
    for (int set = 0; set < kSets; ++set) {
      factors.groups[set] = powers.tables.rows(set) + powers.codes.code(set, m) * width;
    }
    return factors;
  }

  // Lanes of the sum of 1 / (1/v + e^2x / v) over a candidate's whole vectors, as many as share a
  // division.
  template <int kSets, bool kQuads, typename Inverse>
  static inline __attribute__((always_inline)) vec sum_of_inverses(const Factors& factors,
                                                                   const Inverse& inverse_v,
                                                                   int64_t width) {
    const auto x = [&](int64_t i) { return denominator<kSets>(factors, inverse_v.at(i), i); };
    vec total = S::set(0);
    int64_t i = 0;
    if constexpr (kQuads) {
      for (; i + 4 * L <= width; i += 4 * L) {
        total = add_quad(x(i), x(i + L), x(i + 2 * L), x(i + 3 * L), total);
      }
    }
    for (; i + 2 * L <= width; i += 2 * L) {
      const vec x0 = x(i), x1 = x(i + L);
      total = S::add(S::div(S::add(x0, x1), S::mul(x0, x1)), total);
    }
    for (; i + L <= width; i += L) total = S::add(S::div(S::set(1), x(i)), total);
    return total;
  }

  // total + 1/x0 + 1/x1 + 1/x2 + 1/x3 with one division.
  static vec add_quad(vec x0, vec x1, vec x2, vec x3, vec total) {
    const vec first = S::mul(x0, x1), second = S::mul(x2, x3);
    const vec numerator = S::fma(S::add(x0, x1), second, S::mul(S::add(x2, x3), first));
    return S::add(S::div(numerator, S::mul(first, second)), total);
  }

  template <int kSets>
  static vec denominator(const Factors& factors, vec inverse_v, int64_t i) {
    vec power = S::load(factors.key + i);
#pragma GCC unroll 2
    for (int set = 0; set < kSets; ++set) power = S::mul(power, S::load(factors.groups[set] + i));
    return S::fma(power, S::load(factors.row + i), inverse_v);
  }

  // To sums[i] what is left behind the whole vectors of candidates[i].
  template <int kSets>
  static void add_last(const Powers& powers, const int16_t* candidates, int count, T* sums) {
    const T* inverse_v = powers.tables.inverse_v();
    for (int i = 0; i < count; ++i) {
      const Factors factors = factors_of<kSets>(powers, candidates[i], powers.width);
      for (int64_t e = powers.width / L * L; e < powers.width; ++e) {
        T power = factors.key[e];
        for (int set = 0; set < kSets; ++set) power *= factors.groups[set][e];
        sums[i] += 1 / (power * factors.row[e] + inverse_v[e]);
      }
    }
  }
};

}  // namespace
}  // namespace gerank::cpu
