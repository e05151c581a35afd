// The rows e^2(query + W_c c) of a slot's context classes, without an exponential per class.
//
// e^2W_c of a feature that is 0 or 1 is computed once per request; the row of a class is a product.
#pragma once

#include <cmath>
#include <cstdint>

#include "query.h"

namespace gerank::cpu {
namespace {

template <typename S>
class ClassTables {
 public:
  using T = typename S::scalar_t;

  // Products of powers are exact to rounding while no part of one leaves the normal numbers:
  // |x| of all factors together, for e^2x.
  static constexpr T kFactorRange = 42;

  void lay_out(int64_t features, int64_t width, Arena& arena) {
    features_ = features;
    width_ = width;
    factors_ = arena.take<T>(features * width);
    largest_ = arena.take<T>(features);
  }

  // Of the features from `first` on, which are 0 or 1; those before it are shares.
  void load(const T* attention, int64_t first) {
    for (int64_t f = 0; f < features_; ++f) {
      largest_[f] = VectorMaths<S>::largest_magnitude(attention + f * width_, width_);
    }
    __builtin_memcpy(factors_ + first * width_, attention + first * width_,
                     (features_ - first) * width_ * sizeof(T));
    VectorMaths<S>::tabulate(factors_ + first * width_, (features_ - first) * width_);
  }

  // False where the factors' range is left, and `rows` holds nothing. The query is lost.
  // `largest_power` gets the largest element of `rows` [classes, H].
  bool multiply(const QueryParameters<T>& parameters, const uint32_t* bits, int size,
                const Prefix& prefix, T* query, T* rows, T& largest_power) {
    uint32_t any = 0;
    for (int c = 0; c < size; ++c) any |= bits[c];
    T range = VectorMaths<S>::largest_magnitude(query, width_);
    for_each_feature<T>(prefix, parameters.attention_layout, any,
                        [&](int64_t feature, T value) { range += value * largest_[feature]; });
    if (!(range <= kFactorRange)) return false;
    VectorMaths<S>::tabulate(query, width_);
    share_factors(parameters, any, prefix);
    vec most = S::set(0);
    for (int c = 0; c < size; ++c) {
      most = S::max(row_of(parameters, bits[c], prefix, query, rows + c * width_), most);
    }
    largest_power = S::largest(most);
    return true;
  }

 private:
  using vec = typename S::vec;

  // A share of the prefix changes from slot to slot.
  void share_factors(const QueryParameters<T>& parameters, uint32_t any, const Prefix& prefix) {
    const uint32_t flags = any & ((1u << kMaxFlags) - 1);
    for_each_feature<T>(prefix, parameters.attention_layout, flags, [&](int64_t feature, T value) {
      const T* row = parameters.row(feature);
      T* factor = factors_ + feature * width_;
      for_each_vector<S>(width_, [&](auto load, auto store) {
        store(factor, S::exp(S::mul(load(row), S::set(2 * value))));
      });
    });
  }

  vec row_of(const QueryParameters<T>& parameters, uint32_t bits, const Prefix& prefix,
             const T* query, T* row) {
    const T* factors[kMaxFlags + 2 * kMaxGroupKeys];
    int count = 0;
    for_each_feature<T>(prefix, parameters.attention_layout, bits,
                        [&](int64_t feature, T) { factors[count++] = factors_ + feature * width_; });
    vec most = S::set(0);
    int64_t i = 0;
    for (; i + 4 * S::kLanes <= width_; i += 4 * S::kLanes) {
      most = S::max(row_part<4>(query + i, factors, count, i, row + i), most);
    }
    for (; i + S::kLanes <= width_; i += S::kLanes) {
      most = S::max(row_part<1>(query + i, factors, count, i, row + i), most);
    }
    if (const int64_t rest = width_ - i; rest > 0) {
      vec product = S::load(query + i, rest);
      for (int f = 0; f < count; ++f) product = S::mul(product, S::load(factors[f] + i, rest));
      S::store(row + i, product, rest);
      most = S::max(product, most);
    }
    return most;
  }

  // Several vectors at a time: one alone would wait for each of its multiplications.
  template <int kVectors>
  static vec row_part(const T* query, const T* const* factors, int count, int64_t at, T* row) {
    vec product[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) product[v] = S::load(query + v * S::kLanes);
    for (int f = 0; f < count; ++f) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        product[v] = S::mul(product[v], S::load(factors[f] + at + v * S::kLanes));
      }
    }
    vec most = product[0];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      S::store(row + v * S::kLanes, product[v]);
      most = S::max(product[v], most);
    }
    return most;
  }

  int64_t features_ = 0;
  int64_t width_ = 0;
  T* factors_ = nullptr;  // [C, H] e^2x of the features' rows
  T* largest_ = nullptr;  // [C] |x|
};

}  // namespace
}  // namespace gerank::cpu
