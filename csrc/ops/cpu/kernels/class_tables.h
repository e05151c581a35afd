// The rows e^2(query + W_c c) of a slot's context classes, without an exponential per class.
//
// A row is the product of three: e^2query; e^2share W_c of the class's flags, of which there are
// few combinations in a slot; and e^2W_c of its features that are 0 or 1, which stays the same from
// slot to slot and is kept.
#pragma once

#include <cmath>
#include <cstdint>

#include "query.h"

namespace gerank::cpu {
namespace {

// The classes in use at a slot: see ContextClasses::list.
struct ClassList {
  int size;
  const uint32_t* bits;
  const int16_t* numbers;
};

// By class number: the part of a row that stays the same. One per lane.
template <typename T>
struct ClassFactors {
  T* rows;         // [capacity, H]
  uint8_t* known;  // [capacity] whether the row holds something
  int generation;  // of the numbers
};

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
    combinations_ = arena.take<T>(kMostCombinations * width);
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
  bool multiply(const QueryParameters<T>& parameters, const ClassList& list, const Prefix& prefix,
                ClassFactors<T>& kept, T* query, T* rows, T& largest_power) {
    uint32_t any = 0;
    for (int c = 0; c < list.size; ++c) any |= list.bits[c];
    T range = VectorMaths<S>::largest_magnitude(query, width_);
    for_each_feature<T>(prefix, parameters.attention_layout, any,
                        [&](int64_t feature, T value) { range += value * largest_[feature]; });
    if (!(range <= kFactorRange)) return false;
    VectorMaths<S>::tabulate(query, width_);
    share_factors(parameters, any, prefix);
    count_ = 0;
    vec most = S::set(0);
    for (int c = 0; c < list.size; ++c) {
      const T* with_flags = combination(parameters, list.bits[c] & kFlagBits, prefix, query);
      const T* kept_factor = factor(parameters, list.bits[c], list.numbers[c], prefix, kept);
      for_each_vector<S>(width_, [&](auto load, auto store) {
        const vec power = S::mul(load(with_flags), load(kept_factor));
        store(rows + c * width_, power);
        most = S::max(power, most);
      });
    }
    largest_power = S::largest(most);
    return true;
  }

 private:
  using vec = typename S::vec;

  // A share of the prefix changes from slot to slot.
  void share_factors(const QueryParameters<T>& parameters, uint32_t any, const Prefix& prefix) {
    const uint32_t flags = any & kFlagBits;
    for_each_feature<T>(prefix, parameters.attention_layout, flags, [&](int64_t feature, T value) {
      const T* row = parameters.row(feature);
      T* factor = factors_ + feature * width_;
      for_each_vector<S>(width_, [&](auto load, auto store) {
        store(factor, S::exp(S::mul(load(row), S::set(2 * value))));
      });
    });
  }

  // e^2query times the factors of a combination of flags.
  const T* combination(const QueryParameters<T>& parameters, uint32_t flags, const Prefix& prefix,
                       const T* query) {
    if (flags == 0) return query;
    for (int i = 0; i < count_; ++i) {
      if (flags_[i] == flags) return combinations_ + i * width_;
    }
    const int at = count_ < kMostCombinations ? count_++ : kMostCombinations - 1;
    flags_[at] = flags;
    T* row = combinations_ + at * width_;
    __builtin_memcpy(row, query, width_ * sizeof(T));
    multiply_features(parameters, flags, prefix, row);
    return row;
  }

  // The product of e^2W_c of a class's features that are 0 or 1.
  const T* factor(const QueryParameters<T>& parameters, uint32_t bits, int number,
                  const Prefix& prefix, ClassFactors<T>& kept) {
    T* row = kept.rows + number * width_;
    if (!kept.known[number]) {
      kept.known[number] = 1;
      for_each_vector<S>(width_, [&](auto, auto store) { store(row, S::set(1)); });
      multiply_features(parameters, bits & ~kFlagBits, prefix, row);
    }
    return row;
  }

  void multiply_features(const QueryParameters<T>& parameters, uint32_t bits, const Prefix& prefix,
                         T* row) {
    for_each_feature<T>(prefix, parameters.attention_layout, bits, [&](int64_t feature, T) {
      const T* factor = factors_ + feature * width_;
      for_each_vector<S>(
          width_, [&](auto load, auto store) { store(row, S::mul(load(row), load(factor))); });
    });
  }

  static constexpr uint32_t kFlagBits = (1u << kMaxFlags) - 1;
  static constexpr int kMostCombinations = 32;

  int64_t features_ = 0;
  int64_t width_ = 0;
  T* factors_ = nullptr;       // [C, H] e^2x of the features' rows
  T* largest_ = nullptr;       // [C] |x|
  T* combinations_ = nullptr;  // [kMostCombinations, H] of this slot
  uint32_t flags_[kMostCombinations];
  int count_ = 0;
};

}  // namespace
}  // namespace gerank::cpu
