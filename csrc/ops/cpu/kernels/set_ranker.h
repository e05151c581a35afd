// set_ranks of one request after another.
#pragma once

#include <cstdint>

#include "step_task.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// Every candidate is compared with every other, a vector of features at a time: at M <= 512 faster
// than sorting each feature.
template <typename S>
class SetRanker {
 public:
  using T = typename S::scalar_t;

  SetRanker(const RanksTask<T>& task, Arena& arena)
      : task_(task), real_(arena.take<int32_t>(task.num_candidates)) {}

  void rank(int64_t b) {
    const int64_t M = task_.num_candidates, F = task_.num_features;
    const T* features = task_.features + b * M * F;
    T* ranks = task_.ranks + b * M * F;
    int count = 0;
    for (int64_t m = 0; m < M; ++m) {
      real_[count] = static_cast<int32_t>(m);
      count += task_.mask[b * M + m];
    }
    __builtin_memset(ranks, 0, M * F * sizeof(T));
    for (int i = 0; i < count; ++i) {
      const T* own = features + real_[i] * F;
      T* out = ranks + real_[i] * F;
      for_each_vector<S>(F, [&](auto load, auto store) {
        store(out, count == 1 ? S::set(T(0.5)) : rank_of(load(own), features, count, load));
      });
    }
  }

 private:
  using vec = typename S::vec;

  // Half a point for every candidate below or equal and half for every one below, less its own
  // half.
  template <typename Load>
  vec rank_of(vec own, const T* features, int count, Load load) const {
    const vec half = S::set(T(0.5));
    vec below_or_equal = S::set(0), not_below = S::set(0);
    for (int j = 0; j < count; ++j) {
      const vec other = load(features + real_[j] * task_.num_features);
      below_or_equal = S::add(below_or_equal, S::zero_below(own, other, half));
      not_below = S::add(not_below, S::zero_below(other, own, half));
    }
    const vec below = S::sub(S::set(T(0.5) * static_cast<T>(count)), not_below);
    const vec points = S::sub(S::add(below_or_equal, below), half);
    return S::div(points, S::set(static_cast<T>(count - 1)));
  }

  const RanksTask<T>& task_;
  int32_t* real_;  // [M] the real candidates
};

}  // namespace
}  // namespace gerank::cpu
