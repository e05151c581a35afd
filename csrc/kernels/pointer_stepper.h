// pointer_step and its backward, one request after another.
//
// Here the context is any numbers, one row per candidate, so x = key + query + W_c c is summed up
// for each of them.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "distribution.h"
#include "step_task.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// One request's part of a StepView.
template <typename S>
class StepRequest {
 public:
  using T = typename S::scalar_t;
  using vec = typename S::vec;

  StepRequest(const StepView<T>& view, int64_t b)
      : width_(view.width),
        num_features_(view.num_features),
        keys_(view.keys + b * view.num_candidates * view.width),
        query_(view.query + b * view.width),
        context_(view.context + b * view.num_candidates * view.num_features),
        w_context_(view.w_context + b * view.w_context_stride),
        v_(view.v + b * view.v_stride) {}

  // A vector of x = key + query + W_c c of candidate m.
  template <typename Load>
  vec argument(int64_t m, Load load) const {
    const T* features = context_ + m * num_features_;
    vec x = S::add(load(keys_ + m * width_), load(query_));
    for (int64_t c = 0; c < num_features_; ++c) {
      x = S::fma(S::set(features[c]), load(w_context_ + c * width_), x);
    }
    return x;
  }

  const T* features(int64_t m) const { return context_ + m * num_features_; }
  const T* v() const { return v_; }

 private:
  int64_t width_, num_features_;
  const T* keys_;
  const T* query_;
  const T* context_;
  const T* w_context_;
  const T* v_;
};

template <typename S>
class PointerStepper {
 public:
  using T = typename S::scalar_t;

  PointerStepper(const StepTask<T>& task, Arena& arena) : task_(task), memory_(task, arena) {}

  void step(int64_t b) {
    const int64_t M = task_.inputs.num_candidates, forced = task_.forced[b];
    const bool is_forced = forced >= 0;
    T* probs = task_.probs + b * M;
    task_.choice[b] = forced;
    task_.log_prob[b] = is_forced ? -std::numeric_limits<T>::infinity() : T(0);
    task_.entropy[b] = 0;
    __builtin_memset(probs, 0, M * sizeof(T));
    const int size = score(b);
    if (size == 0) return;
    const auto distribution = distribute<S>(size, task_.inputs.temperature[b], memory_.slot);
    task_.entropy[b] = probabilities<S>(distribution, memory_.probs);
    int picked = -1;
    for (int i = 0; i < size; ++i) {
      probs[memory_.allowed[i]] = memory_.probs[i];
      if (memory_.allowed[i] == forced) picked = i;
    }
    if (!is_forced) picked = choose(b, distribution);
    if (picked < 0) return;  // forced, and not allowed
    task_.choice[b] = memory_.allowed[picked];
    task_.log_prob[b] = distribution.log_prob(picked);
  }

 private:
  using vec = typename S::vec;

  struct Memory {
    Memory(const StepTask<T>& task, Arena& arena) {
      const int64_t M = task.inputs.num_candidates;
      allowed = arena.take<int16_t>(M);
      probs = arena.take<T>(padded(M));
      slot = distribution_memory<T>(M, arena);
    }

    int16_t* allowed;  // [M]
    T* probs;          // [padded(M)] of the allowed
    DistributionMemory<T> slot;
  };

  // The logits of the allowed candidates; returns how many these are.
  int score(int64_t b) {
    const int64_t M = task_.inputs.num_candidates, H = task_.inputs.width;
    const StepRequest<S> request(task_.inputs, b);
    vec sum_of_v = S::set(0);
    for_each_vector<S>(H, [&](auto load, auto) { sum_of_v = S::add(sum_of_v, load(request.v())); });
    const T sum = S::sum(sum_of_v);
    int size = 0;
    for (int64_t m = 0; m < M; ++m) {
      if (!task_.mask[b * M + m]) continue;
      vec total = S::set(0);
      for_each_vector<S>(H, [&](auto load, auto) {
        const vec r = VectorMaths<S>::half_complement(request.argument(m, load));
        total = S::fma(load(request.v()), r, total);
      });
      memory_.slot.logits[size] = sum - 2 * S::sum(total);
      memory_.allowed[size++] = static_cast<int16_t>(m);
    }
    for (int i = 0; i < size; i += S::kLanes) {
      T* logits = memory_.slot.logits + i;
      S::store(logits, VectorMaths<S>::finite(S::load(logits)));
    }
    return size;
  }

  int choose(int64_t b, const Distribution<T>& distribution) {
    if (task_.greedy[b]) return argmax<S>(distribution);
    const Draw draw = {static_cast<uint64_t>(task_.seeds[b]), task_.slot, task_.slate};
    return sample<S>(distribution, draw, memory_.allowed,
                     static_cast<int>(task_.inputs.num_candidates), memory_.slot);
  }

  const StepTask<T>& task_;
  Memory memory_;
};

template <typename S>
class PointerStepGradient {
 public:
  using T = typename S::scalar_t;

  PointerStepGradient(const StepGradientTask<T>& task, Arena& arena)
      : task_(task), grad_logits_(arena.take<T>(task.inputs.num_candidates)) {}

  void add(int64_t b) {
    if (task_.choice[b] < 0) return;
    const int64_t M = task_.inputs.num_candidates, H = task_.inputs.width;
    const int64_t C = task_.inputs.num_features;
    // A forced choice that was not allowed has log_prob -inf and no gradient.
    const T grad_log_prob = std::isfinite(task_.log_prob[b]) ? task_.grad_log_prob[b] : T(0);
    gradient_by_logits<T>(
        {task_.probs + b * M, M, task_.choice[b], task_.entropy[b], task_.inputs.temperature[b]},
        grad_log_prob, task_.grad_entropy[b], grad_logits_);
    const StepRequest<S> request(task_.inputs, b);
    T* grad_w_context = task_.grad_w_context + b * C * H;
    for_each_vector<S>(H, [&](auto load, auto store) {
      const vec factor = S::mul(S::set(4), load(request.v()));
      vec grad_query = S::set(0), grad_v = S::set(0);
      for (int64_t m = 0; m < M; ++m) {
        if (grad_logits_[m] == 0) continue;
        const vec grad = S::set(grad_logits_[m]);
        const vec r = VectorMaths<S>::half_complement(request.argument(m, load));
        const vec grad_x = S::mul(S::mul(grad, factor), S::fnma(r, r, r));
        grad_v = S::fma(grad, S::fnma(S::set(2), r, S::set(1)), grad_v);
        grad_query = S::add(grad_query, grad_x);
        store(task_.grad_keys + (b * M + m) * H, grad_x);
        for (int64_t c = 0; c < C; ++c) {
          T* row = grad_w_context + c * H;
          store(row, S::fma(S::set(request.features(m)[c]), grad_x, load(row)));
        }
      }
      store(task_.grad_query + b * H, grad_query);
      store(task_.grad_v + b * H, grad_v);
    });
  }

 private:
  using vec = typename S::vec;

  const StepGradientTask<T>& task_;
  T* grad_logits_;  // [M]
};

}  // namespace
}  // namespace gerank::cpu
