// The rank of every value of a feature within its candidate set, a vector of features at a time.
#pragma once

#include <cstdint>

#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// Small sets are counted, every candidate against every other; large ones are sorted. Both give
// the same ranks, bit for bit: multiples of a half over the same number.
template <typename S>
class SetRanks {
 public:
  using T = typename S::scalar_t;
  using vec = typename S::vec;
  using whole = typename S::whole;

  // The size from which sorting is faster.
  static constexpr int kSorted = 192;

  SetRanks(int64_t most, Arena& arena)
      : keys_(arena.take<T>(most * S::kLanes)),
        tags_(arena.take<T>(most * S::kLanes)),
        ranks_(arena.take<T>(most * S::kLanes)),
        balance_(arena.take<whole>(most)) {}

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
    __builtin_memset(balance_, 0, count * sizeof(whole));
    int i = 0;
    for (; i + kAtOnce <= count; i += kAtOnce) compare<kAtOnce>(i, count, value, place);
    for (; i < count; ++i) compare<1>(i, count, value, place);
  }

  // Compares some candidates with each other and with all behind them: every pair once. A
  // candidate's balance is the number of those below less that of those above.
  template <int kOwn, typename Value, typename Place>
  void compare(int first, int count, Value value, Place place) {
    vec own[kOwn];
    whole balance[kOwn];
#pragma GCC unroll 4
    for (int r = 0; r < kOwn; ++r) {
      own[r] = value(first + r);
      balance[r] = balance_[first + r];
#pragma GCC unroll 4
      for (int q = 0; q < r; ++q) {
        const whole sign = S::compare(own[r], own[q]);
        balance[r] = S::plus(balance[r], sign);
        balance[q] = S::minus(balance[q], sign);
      }
    }
    for (int j = first + kOwn; j < count; ++j) {
      const vec other = value(j);
      whole others = balance_[j];
#pragma GCC unroll 4
      for (int r = 0; r < kOwn; ++r) {
        const whole sign = S::compare(own[r], other);
        balance[r] = S::plus(balance[r], sign);
        others = S::minus(others, sign);
      }
      balance_[j] = others;
    }
    const vec half = S::set(T(0.5)), rest = S::set(T(0.5) * static_cast<T>(count - 1));
#pragma GCC unroll 4
    for (int r = 0; r < kOwn; ++r) {
      place(first + r, from_points(S::fma(half, S::to_vec(balance[r]), rest), count));
    }
  }

  template <typename Value, typename Place>
  void by_sorting(int count, Value value, Place place) {
    for (int i = 0; i < count; ++i) {
      S::store(keys_ + i * L, value(i));
      S::store(tags_ + i * L, S::set(static_cast<T>(i * L)));
    }
    sort(count);
    rank_runs(count);
    // Each lane's rank goes to where its candidate stands.
    T* const out = keys_;
    const T *tags = tags_, *ranks = ranks_;
    for (int i = 0; i < count * L; i += L) {
#pragma GCC unroll 16
      for (int lane = 0; lane < L; ++lane) {
        out[static_cast<int>(tags[i + lane]) + lane] = ranks[i + lane];
      }
    }
    for (int i = 0; i < count; ++i) place(i, key(i));
  }

  // In sorted keys, a rank is the mean of the first and the last place of its run of equal ones.
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
  // behind the last key is larger. A step orders keys in stretches of `step`, each with the next,
  // where both lie in one run of 2 * `run`.
  void sort(int count) {
    for (int run = 1; run < count; run *= 2) {
      for (int begin = 0; begin + run < count; begin += 2 * run) {
        order(begin, begin + run, count - begin - run < run ? count - begin - run : run);
      }
      for (int step = run / 2; step >= 1; step /= 2) {
        for (int of_run = 0; of_run < count; of_run += 2 * run) {
          const int end = of_run + 2 * run - step;
          for (int begin = of_run + step; begin < end && begin + step < count; begin += 2 * step) {
            const int left = count - begin - step;
            order(begin, begin + step, left < step ? left : step);
          }
        }
      }
    }
  }

  // Orders `pairs` keys from `first` on with those from `second` on.
  void order(int first, int second, int pairs) {
    T *low = keys_ + first * L, *high = keys_ + second * L;
    T *low_tag = tags_ + first * L, *high_tag = tags_ + second * L;
    for (int i = 0; i < pairs * L; i += L) {
      vec one = S::load(low + i), other = S::load(high + i);
      vec one_tag = S::load(low_tag + i), other_tag = S::load(high_tag + i);
      S::order(one, other, one_tag, other_tag);
      S::store(low + i, one);
      S::store(high + i, other);
      S::store(low_tag + i, one_tag);
      S::store(high_tag + i, other_tag);
    }
  }

  T* keys_;         // [most, L]
  T* tags_;         // [most, L] where the candidate's numbers begin, of each lane's key
  T* ranks_;        // [most, L]
  whole* balance_;  // [most]
};

}  // namespace
}  // namespace gerank::cpu
