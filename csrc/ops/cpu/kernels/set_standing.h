// set_features of one request after another: where each candidate stands in its set.
#pragma once

#include <cstdint>

#include "step_task.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// Every candidate is compared with every other, a vector of features at a time: at M <= 512 faster
// than sorting each feature. Sums run over the real candidates in their order: padding does not
// change a bit.
template <typename S>
class SetStanding {
 public:
  using T = typename S::scalar_t;

  SetStanding(const SetTask<T>& task, Arena& arena)
      : task_(task),
        real_(arena.take<int32_t>(task.num_candidates)),
        middle_(arena.take<T>(task.num_features)),
        inverse_deviation_(arena.take<T>(task.num_features)) {}

  void describe(int64_t b) {
    const int64_t M = task_.num_candidates, F = task_.num_features;
    const T* values = task_.values + b * M * F;
    T* out = task_.out + b * M * 3 * F;
    int count = 0;
    for (int64_t m = 0; m < M; ++m) {
      real_[count] = static_cast<int32_t>(m);
      if (task_.mask[b * M + m]) {
        ++count;
      } else {
        __builtin_memset(out + m * 3 * F, 0, 3 * F * sizeof(T));
      }
    }
    if (count == 0) return;
    measure(values, count);
    for (int i = 0; i < count; ++i) {
      const T* own = values + real_[i] * F;
      T* row = out + real_[i] * 3 * F;
      for_each_vector<S>(F, [&](auto load, auto store) {
        const vec x = load(own);
        store(row, standardised(x, load(task_.mean), load(task_.deviation)));
        const vec rank = count == 1 ? S::set(T(0.5)) : rank_of(x, values, count, load);
        store(row + F, S::fma(S::set(2), rank, S::set(-1)));
        store(row + 2 * F, S::mul(S::sub(bounded(x), load(middle_)), load(inverse_deviation_)));
      });
    }
  }

 private:
  using vec = typename S::vec;

  static vec standardised(vec x, vec mean, vec deviation) {
    const vec steps = S::div(S::sub(x, mean), deviation);
    return S::max(S::min(steps, S::set(6)), S::set(-6));
  }

  // Squares of what a request may hold would overflow.
  static vec bounded(vec x) { return S::max(S::min(x, S::set(T(1e17))), S::set(T(-1e17))); }

  // The mean of each feature over the set, and the reciprocal of its deviation there; 0 where the
  // set agrees.
  void measure(const T* values, int count) {
    const int64_t F = task_.num_features;
    const vec share = S::set(1 / static_cast<T>(count));
    for_each_vector<S>(F, [&](auto load, auto store) {
      vec sum = S::set(0), squares = S::set(0);
      for (int j = 0; j < count; ++j) sum = S::add(sum, bounded(load(values + real_[j] * F)));
      const vec mean = S::mul(sum, share);
      for (int j = 0; j < count; ++j) {
        const vec centred = S::sub(bounded(load(values + real_[j] * F)), mean);
        squares = S::fma(centred, centred, squares);
      }
      const vec deviation = S::sqrt(S::mul(squares, share));
      const vec least = S::mul(S::set(T(1e-6)), S::add(S::abs(mean), S::set(T(1e-6))));
      const vec reciprocal = S::div(S::set(1), S::add(deviation, S::set(T(1e-12))));
      store(middle_, mean);
      store(inverse_deviation_, S::zero_below(deviation, least, reciprocal));
    });
  }

  // Half a point for every candidate below or equal and half for every one below, less its own
  // half.
  template <typename Load>
  vec rank_of(vec own, const T* values, int count, Load load) const {
    const vec half = S::set(T(0.5));
    vec below_or_equal = S::set(0), not_below = S::set(0);
    for (int j = 0; j < count; ++j) {
      const vec other = load(values + real_[j] * task_.num_features);
      below_or_equal = S::add(below_or_equal, S::zero_below(own, other, half));
      not_below = S::add(not_below, S::zero_below(other, own, half));
    }
    const vec below = S::sub(S::set(T(0.5) * static_cast<T>(count)), not_below);
    const vec points = S::sub(S::add(below_or_equal, below), half);
    return S::div(points, S::set(static_cast<T>(count - 1)));
  }

  const SetTask<T>& task_;
  int32_t* real_;                   // [M] the real candidates
  T *middle_, *inverse_deviation_;  // [F] of the set
};

}  // namespace
}  // namespace gerank::cpu
