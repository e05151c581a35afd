// Where each candidate stands in its set: its value, its rank there and its z-score.
#pragma once

#include <cstdint>

#include "set_ranks.h"
#include "step_task.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// (x - mean) / deviation; beyond six of them a value carries no more information.
template <typename S>
typename S::vec standardised(typename S::vec x, typename S::vec mean, typename S::vec deviation) {
  const typename S::vec steps = S::div(S::sub(x, mean), deviation);
  return S::max(S::min(steps, S::set(6)), S::set(-6));
}

// The real candidates of one set, and where their standing goes.
template <typename T>
struct StandingRows {
  const T* values;  // a candidate's lie `stride` apart from the next one's
  int64_t stride;
  const int32_t* at;  // [count] the real candidates' places in `values`, ascending
  int count;
  const T* mean;       // [F]
  const T* deviation;  // [F]
};

// Sums run over the real candidates in their order: padding does not change a bit.
template <typename S>
class Standing {
 public:
  using T = typename S::scalar_t;

  Standing(int64_t most, Arena& arena) : ranks_(most, arena) {}

  // What makes one number of a value's two views, x = (value - the set's mean) / deviation:
  // standardised, it is x + shift, as a z-score x * scale.
  struct Views {
    T* scale;     // [F]
    T* shift;     // [F]
    T* furthest;  // [F] the largest |x + shift|, which is standardised where it is at most six
  };

  // The first F features as x and ranks; `views` is filled.
  template <typename Out>
  void describe_once(const StandingRows<T>& rows, int64_t features, int64_t ranks, Out out,
                     const Views& views) {
    if (rows.count == 0) return;
    for_each_vector<S>(features, [&](auto load, auto store) {
      const auto value = [&](int i) { return load(rows.values + rows.at[i] * rows.stride); };
      const Spread spread = measure(rows.count, value);
      const vec deviation = load(rows.deviation), unit = S::div(S::set(1), deviation);
      const vec shift = S::mul(S::sub(spread.middle, load(rows.mean)), unit);
      vec furthest = S::set(0);
      for (int i = 0; i < rows.count; ++i) {
        const vec x = S::mul(S::sub(bounded(value(i)), spread.middle), unit);
        furthest = S::max(S::abs(S::add(x, shift)), furthest);
        store(out(i), x);
      }
      store(views.scale, S::mul(deviation, spread.inverse_deviation));
      store(views.shift, shift);
      store(views.furthest, furthest);
      ranks_.rank(rows.count, value, [&](int i, vec rank) { store(out(i) + ranks, rank); });
    });
  }

  // The first F features of each of the rows; `out(i)` is where the candidate's values go, and the
  // ranks and z-scores go so many numbers behind.
  template <typename Out>
  void describe(const StandingRows<T>& rows, int64_t features, int64_t ranks, int64_t zscores,
                Out out) {
    if (rows.count == 0) return;
    for_each_vector<S>(features, [&](auto load, auto store) {
      const auto value = [&](int i) { return load(rows.values + rows.at[i] * rows.stride); };
      const Spread spread = measure(rows.count, value);
      const vec mean = load(rows.mean), deviation = load(rows.deviation);
      for (int i = 0; i < rows.count; ++i) {
        const vec x = value(i);
        store(out(i), standardised<S>(x, mean, deviation));
        store(out(i) + zscores,
              S::mul(S::sub(bounded(x), spread.middle), spread.inverse_deviation));
      }
      ranks_.rank(rows.count, value, [&](int i, vec rank) { store(out(i) + ranks, rank); });
    });
  }

 private:
  using vec = typename S::vec;

  struct Spread {
    vec middle, inverse_deviation;
  };

  // Squares of what a request may hold would overflow.
  static vec bounded(vec x) { return S::max(S::min(x, S::set(T(1e17))), S::set(T(-1e17))); }

  // The mean over the set, and the reciprocal of the deviation there; 0 where the set agrees.
  template <typename Value>
  static Spread measure(int count, Value value) {
    const vec share = S::set(1 / static_cast<T>(count));
    vec sum = S::set(0), squares = S::set(0);
    for (int j = 0; j < count; ++j) sum = S::add(sum, bounded(value(j)));
    const vec mean = S::mul(sum, share);
    for (int j = 0; j < count; ++j) {
      const vec centred = S::sub(bounded(value(j)), mean);
      squares = S::fma(centred, centred, squares);
    }
    const vec deviation = S::sqrt(S::mul(squares, share));
    const vec least = S::mul(S::set(T(1e-6)), S::add(S::abs(mean), S::set(T(1e-6))));
    const vec reciprocal = S::div(S::set(1), S::add(deviation, S::set(T(1e-12))));
    return {mean, S::zero_below(deviation, least, reciprocal)};
  }

  SetRanks<S> ranks_;
};

// Fills at[] with the places of the candidates that `mask` [M] calls real; returns how many.
inline int list_real(const bool* mask, int64_t count, int32_t* at) {
  int real = 0;
  for (int64_t m = 0; m < count; ++m) {
    at[real] = static_cast<int32_t>(m);
    real += mask[m];
  }
  return real;
}

// set_features of one request after another.
template <typename S>
class SetStanding {
 public:
  using T = typename S::scalar_t;

  SetStanding(const SetTask<T>& task, Arena& arena)
      : task_(task),
        real_(arena.take<int32_t>(task.num_candidates)),
        standing_(task.num_candidates, arena) {}

  void describe(int64_t b) {
    const int64_t M = task_.num_candidates, F = task_.num_features;
    const bool* mask = task_.mask + b * M;
    T* out = task_.out + b * M * 3 * F;
    for (int64_t m = 0; m < M; ++m) {
      if (!mask[m]) __builtin_memset(out + m * 3 * F, 0, 3 * F * sizeof(T));
    }
    const int count = list_real(mask, M, real_);
    const StandingRows<T> rows = {task_.values + b * M * F, F, real_, count, task_.mean,
                                  task_.deviation};
    standing_.describe(rows, F, F, 2 * F, [&](int i) { return out + real_[i] * 3 * F; });
  }

 private:
  const SetTask<T>& task_;
  int32_t* real_;  // [M] the real candidates
  Standing<S> standing_;
};

}  // namespace
}  // namespace gerank::cpu
