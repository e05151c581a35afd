// The rank of every value of a feature within its candidate set, a vector of features at a time.
#pragma once

#include <cstdint>

#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// Small sets are counted, every candidate against every other; large ones sorted. Both give the
// same ranks, bit for bit: multiples of a half over the same number.
template <typename S>
class SetRanks {
 public:
  using T = typename S::scalar_t;
  using vec = typename S::vec;

  // The size from which sorting is faster.
  static constexpr int kSorted = 48;

  SetRanks(int64_t most, Arena& arena)
      : keys_(arena.take<T>(most * S::kLanes)),
        tags_(arena.take<T>(most * S::kLanes)),
        ranks_(arena.take<T>(most * S::kLanes)) {}

  // Calls `place(i, rank)` for every i < count with ranks from -1 to 1, ties averaged; `value(i)`
  // is the vector of candidate i.
  template <typename Value, typename Place>
  void rank(int count, Value value, Place place) {
    if (count == 1) {
      place(0, S::set(0));
    } else if (count < kSorted) {
      by_counting(count, value, place);
    } else {
      by_sorting(count, value, place);
    }
  }

 private:
  static constexpr int L = S::kLanes;
  static constexpr int kAtOnce = 4;

  // From the number of candidates below, ties counting half.
  static vec from_points(vec points, int count) {
    return S::fma(S::set(2), S::div(points, S::set(static_cast<T>(count - 1))), S::set(-1));
  }

  template <typename Value, typename Place>
  void by_counting(int count, Value value, Place place) {
    int i = 0;
    for (; i + kAtOnce <= count; i += kAtOnce) count_against_all<kAtOnce>(i, count, value, place);
    for (; i < count; ++i) count_against_all<1>(i, count, value, place);
  }

  // Half a point for every candidate below or equal and half for every one below, less its own
  // half.
  template <int kOwn, typename Value, typename Place>
  static void count_against_all(int first, int count, Value value, Place place) {
    const vec half = S::set(T(0.5));
    vec own[kOwn], below_or_equal[kOwn], not_below[kOwn];
#pragma GCC unroll 4
    for (int r = 0; r < kOwn; ++r) {
      own[r] = value(first + r);
      below_or_equal[r] = not_below[r] = S::set(0);
    }
    for (int j = 0; j < count; ++j) {
      const vec other = value(j);
#pragma GCC unroll 4
      for (int r = 0; r < kOwn; ++r) {
        below_or_equal[r] = S::add_unless_below(below_or_equal[r], own[r], other, half);
        not_below[r] = S::add_unless_below(not_below[r], other, own[r], half);
      }
    }
    const vec all = S::set(T(0.5) * static_cast<T>(count));
#pragma GCC unroll 4
    for (int r = 0; r < kOwn; ++r) {
      const vec below = S::sub(all, not_below[r]);
      place(first + r, from_points(S::sub(S::add(below_or_equal[r], below), half), count));
    }
  }

  template <typename Value, typename Place>
  void by_sorting(int count, Value value, Place place) {
    for (int i = 0; i < count; ++i) {
      S::store(keys_ + i * L, value(i));
      S::store(tags_ + i * L, S::set(static_cast<T>(i)));
    }
    sort(count);
    rank_runs(count);
    // Each lane's rank goes to where its candidate stands.
    for (int i = 0; i < count; ++i) {
      for (int lane = 0; lane < L; ++lane) {
        keys_[static_cast<int>(tags_[i * L + lane]) * L + lane] = ranks_[i * L + lane];
      }
    }
    for (int i = 0; i < count; ++i) place(i, key(i));
  }

  // Of sorted keys: the mean of the first and the last place of each run of equal ones.
  void rank_runs(int count) {
    vec first = S::set(0), last = S::set(static_cast<T>(count - 1));
    for (int i = 0; i < count; ++i) {
      if (i > 0) first = S::choose_equal(key(i), key(i - 1), first, S::set(static_cast<T>(i)));
      S::store(ranks_ + i * L, first);
    }
    for (int i = count - 1; i >= 0; --i) {
      if (i + 1 < count) {
        last = S::choose_equal(key(i), key(i + 1), last, S::set(static_cast<T>(i)));
      }
      const vec points = S::mul(S::set(T(0.5)), S::add(S::load(ranks_ + i * L), last));
      S::store(ranks_ + i * L, from_points(points, count));
    }
  }

  vec key(int i) const { return S::load(keys_ + i * L); }

  // Batcher's odd-even merge sort of every lane: a network for any count, since what would stand
  // behind the last key is larger.
  void sort(int count) {
    for (int run = 1; run < count; run *= 2) {
      for (int step = run; step >= 1; step /= 2) {
        for (int begin = step % run; begin + step < count; begin += 2 * step) {
          const int pairs = step < count - begin - step ? step : count - begin - step;
          for (int i = begin; i < begin + pairs; ++i) {
            if (((i ^ (i + step)) & -2 * run) == 0) order(i, i + step);
          }
        }
      }
    }
  }

  void order(int i, int j) {
    vec first = key(i), second = key(j);
    vec first_tag = S::load(tags_ + i * L), second_tag = S::load(tags_ + j * L);
    S::order(first, second, first_tag, second_tag);
    S::store(keys_ + i * L, first);
    S::store(keys_ + j * L, second);
    S::store(tags_ + i * L, first_tag);
    S::store(tags_ + j * L, second_tag);
  }

  T *keys_, *tags_, *ranks_;  // [most, L]
};

}  // namespace
}  // namespace gerank::cpu
