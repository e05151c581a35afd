// What the attention's parameters give once, so that a score costs a few multiplications:
// v . tanh(x) = sum v - 2 sum v / (1 + e^2x), where e^2x is a product of powers.
//
// Everything is divided by the largest |v|, and every power of the query is divided by v as well:
// v / (1 + e^2x) = 1 / (1/v + e^2x / v) then costs one multiply-add before the division.
#pragma once

#include <cmath>
#include <cstdint>

#include "context_codes.h"
#include "query.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

template <typename S>
class AttentionTables {
 public:
  using T = typename S::scalar_t;

  // Products of two powers e^2x are exact to rounding while the |x| together stay below this: no
  // part leaves the normal numbers.
  static constexpr T kFactorRange = 42;

  void lay_out(const AttentionLayout& layout, int64_t width, Arena& arena) {
    layout_ = layout;
    width_ = width;
    const int keys = static_cast<int>(layout.num_groups);
    factors_ = arena.take<T>(layout.v() * width);
    largest_ = arena.take<T>(layout.v());
    kept_shares_ = arena.take<T>(layout.num_flags * kKeptShares);
    kept_factors_ = arena.take<T>(layout.num_flags * kKeptShares * width);
    inverse_v_ = arena.take<T>(width);
    most_ = arena.take<T>(width);
    for (int set = 0; set < code_sets(keys); ++set) {
      rows_[set] = arena.take<T>(codes_of(set) * width);
    }
  }

  void load(const T* attention) {
    attention_ = attention;
    invert_v();
    for (int64_t i = 0; i < layout_.num_flags * kKeptShares; ++i) kept_shares_[i] = 0;
    const int64_t first = layout_.seen(0), features = layout_.v();
    for (int64_t f = 0; f < features; ++f) {
      largest_[f] = VectorMaths<S>::largest_magnitude(attention + f * width_, width_);
    }
    largest_of_groups_ = 0;
    for (int64_t f = first; f < features; ++f) largest_of_groups_ += largest_[f];
    if (!(largest_of_groups_ <= kFactorRange)) return;
    __builtin_memcpy(factors_ + first * width_, attention + first * width_,
                     (features - first) * width_ * sizeof(T));
    VectorMaths<S>::tabulate(factors_ + first * width_, (features - first) * width_);
    fill_rows();
  }

  // The powers of a slot's query with the flags of each of `codes`' patterns, over v. `rows`
  // [1 + patterns, H] is memory for them, `row_of` [patterns] tells which is whose. Returns the
  // largest |1/v + e^2x / v| that `largest_keys` [H], powers of keys and groups together, can lead
  // to; infinity where a factor's range is left.
  T combine(const ContextCodes& codes, const Prefix& prefix, const T* largest_keys, const T* query,
            T* rows, const T** row_of) {
    vec furthest = S::set(0), most = S::set(0);
    for_each_vector<S>(width_, [&](auto load, auto store) {
      const vec x = load(query), power = S::mul(S::exp(S::add(x, x)), load(inverse_v_));
      furthest = S::max(S::abs(x), furthest);
      most = S::max(S::abs(S::mul(load(largest_keys), power)), most);
      store(rows, power);
    });
    T range = share_factors(prefix);
    for (int p = 0; p < codes.patterns(); ++p) {
      const uint32_t flags = codes.pattern_bits(p) & prefix.present;
      row_of[p] = rows;
      if (flags == 0) continue;
      T* row = rows + (1 + p) * width_;
      row_of[p] = row;
      for_each_vector<S>(width_, [&](auto load, auto store) {
        vec power = load(rows);
        for (uint32_t left = flags; left != 0; left &= left - 1) {
          power = S::mul(power, load(share_row_[__builtin_ctz(left)]));
        }
        most = S::max(S::abs(S::mul(load(largest_keys), power)), most);
        store(row, power);
      });
    }
    range += S::largest(furthest);
    const T largest = S::largest(most) + largest_inverse_;
    return range <= kFactorRange ? largest : std::numeric_limits<T>::infinity();
  }

  const T* inverse_v() const { return inverse_v_; }    // [H] largest |v| / v
  const T* rows(int set) const { return rows_[set]; }  // [codes, H]
  const T* most() const { return most_; }              // [H] largest product of group factors
  T largest_of_groups() const { return largest_of_groups_; }  // |x| of those factors together
  T scale() const { return scale_; }                          // largest |v|
  T sum() const { return sum_; }                              // of v / scale

 private:
  using vec = typename S::vec;

  static constexpr int kKeptShares = 4;  // of a flag

  int64_t codes_of(int set) const {
    const int64_t keys = layout_.num_groups - set * kKeysPerCode;
    int64_t codes = 1;
    for (int64_t k = 0; k < keys && k < kKeysPerCode; ++k) codes *= 3;
    return codes;
  }

  // A v of 0 would have no inverse. What is left out is below the rounding of the sum.
  void invert_v() {
    constexpr T kLeast = sizeof(T) == sizeof(float) ? T(0x1p-28) : T(0x1p-60);
    const T* v = attention_ + layout_.v() * width_;
    scale_ = VectorMaths<S>::largest_magnitude(v, width_);
    sum_ = 0;
    for (int64_t i = 0; i < width_; ++i) {
      const T share = scale_ > 0 ? v[i] / scale_ : T(0);
      const T kept = std::fabs(share) > kLeast ? share : kLeast;
      sum_ += kept;
      inverse_v_[i] = 1 / kept;
    }
    largest_inverse_ = VectorMaths<S>::largest_magnitude(inverse_v_, width_);
  }

  // Every product of e^2W_c that the digits of a code stand for, one from another.
  void fill_rows() {
    for_each_vector<S>(width_, [&](auto, auto store) { store(most_, S::set(1)); });
    for (int set = 0; set < code_sets(static_cast<int>(layout_.num_groups)); ++set) {
      T* rows = rows_[set];
      for_each_vector<S>(width_, [&](auto, auto store) { store(rows, S::set(1)); });
      const int64_t count = codes_of(set);
      for (int64_t code = 1, digit = 0; code < count; ++code) {
        if (digit + 1 < kKeysPerCode && code == kDigitValue[digit + 1]) ++digit;
        const int64_t key = set * kKeysPerCode + digit;
        const bool is_recent = code >= 2 * kDigitValue[digit];
        const T* factor = factors_ + (is_recent ? layout_.recent(key) : layout_.seen(key)) * width_;
        const T* parent = rows + (code - kDigitValue[digit]) * width_;
        for_each_vector<S>(width_, [&](auto load, auto store) {
          store(rows + code * width_, S::mul(load(parent), load(factor)));
        });
      }
      for_each_vector<S>(width_, [&](auto load, auto store) {
        vec most = load(rows);
        for (int64_t code = 1; code < count; ++code) {
          most = S::max(most, load(rows + code * width_));
        }
        store(most_, S::mul(load(most_), most));
      });
    }
  }

  // A share of the prefix changes from slot to slot, but the requests of a block have few different
  // ones at a time: the last ones are kept. Returns the |x| of these factors together.
  T share_factors(const Prefix& prefix) {
    T range = 0;
    for (uint32_t left = prefix.present; left != 0; left &= left - 1) {
      const int q = __builtin_ctz(left);
      const T share = flag_share<T>(prefix, q);
      const int64_t at = q * kKeptShares + prefix.flag_count[q] % kKeptShares;
      T* factor = kept_factors_ + at * width_;
      range += share * largest_[layout_.share(q)];
      share_row_[q] = factor;
      if (kept_shares_[at] == share) continue;
      kept_shares_[at] = share;
      const T* row = attention_ + layout_.share(q) * width_;
      for_each_vector<S>(width_, [&](auto load, auto store) {
        store(factor, S::exp(S::mul(load(row), S::set(2 * share))));
      });
    }
    return range;
  }

  AttentionLayout layout_{};
  int64_t width_ = 0;
  const T* attention_ = nullptr;   // [C + 3, H]
  T* factors_ = nullptr;           // [C, H] e^2x of the group features' rows
  T* kept_shares_ = nullptr;       // [Q, kKeptShares] shares above 0; 0: nothing is kept there
  T* kept_factors_ = nullptr;      // [Q, kKeptShares, H] their e^2x
  const T* share_row_[kMaxFlags];  // [H] in kept_factors_, of the flags that are present
  T* largest_ = nullptr;           // [C] |x|
  T* inverse_v_ = nullptr;         // [H]
  T* most_ = nullptr;              // [H]
  T* rows_[kMostCodeSets] = {};    // [codes, H] by code
  T largest_of_groups_ = 0;
  T largest_inverse_ = 0;
  T scale_ = 0;
  T sum_ = 0;
};

}  // namespace
}  // namespace gerank::cpu
