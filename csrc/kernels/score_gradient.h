// The gradient of one slate's scores: from log_prob and entropy to the keys, the attention's
// parameters and W_s h.
#pragma once

#include <cmath>
#include <cstdint>

#include "../decode/local_context.h"
#include "class_list.h"
#include "distribution.h"
#include "query.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

template <typename S>
class ScoreGradient {
 public:
  using T = typename S::scalar_t;

  ScoreGradient(const GradientTask<T>& task, Arena& arena)
      : task_(task), weights_(task.weight_layout()), layout_(task.attention_layout()) {
    const int64_t M = task.num_candidates, H = task.attention_width;
    sequence_ = arena.take<Sequence>(1);
    classes_ = arena.take<ClassList>(1);
    listed_ = arena.take<int16_t>(M);
    grad_logits_ = arena.take<T>(M);
    query_ = arena.take<T>(H);
    grad_query_ = arena.take<T>(H);
    rows_ = arena.take<T>(M * H);
    grad_rows_ = arena.take<T>(M * H);
  }

  // Takes one slate of request b; `slate` counts through all requests. Adds to grad_keys [M, H],
  // grad_attention [C + 3, H] and grad_w_g [Q + 1, H]; fills grad_projection [N, H], rows `stride`
  // apart.
  void add(int64_t b, int64_t slate, const T* keys, T* grad_keys, T* grad_attention, T* grad_w_g,
           T* grad_projection, int64_t stride) {
    begin(b);
    const int slots = sequence_->request.slots;
    for (int slot = 0; slot < task_.num_slots; ++slot) {
      const int64_t at = slate * task_.num_slots + slot;
      const int size = slot < slots ? list_gradients(b, at) : 0;
      T* grad = grad_projection + slot * stride;
      if (size > 0) {
        add_slot(b, at, slot, size, keys, grad_keys, grad_attention, grad_w_g, grad);
      } else {
        __builtin_memset(grad, 0, task_.attention_width * sizeof(T));
      }
      if (slot < slots) place(slot, static_cast<int>(task_.slates[at]));
    }
  }

 private:
  using vec = typename S::vec;

  struct Sequence {
    RequestView request;
    Attributes attributes;
    Prefix prefix;
    LeaderTable table;
  };

  void begin(int64_t b) {
    Sequence& sequence = *sequence_;
    const int64_t M = task_.num_candidates;
    sequence.request = {};
    sequence.request.num_candidates = static_cast<int>(M);
    sequence.request.num_groups = static_cast<int>(task_.num_groups);
    sequence.request.num_flags = static_cast<int>(task_.num_flags);
    sequence.request.slots = static_cast<int>(task_.slots[b]);
    sequence.request.flags = task_.flags + b * M * task_.num_flags;
    sequence.request.groups = task_.groups + b * M * task_.num_groups;
    find_flags(sequence.request, sequence.attributes);
    for (int k = 0; k < sequence.request.num_groups; ++k) {
      find_groups(sequence.request, k, sequence.table, sequence.attributes);
    }
    clear_prefix(sequence.request.num_candidates, sequence.request.num_groups, sequence.prefix);
  }

  void place(int slot, int candidate) {
    Sequence& sequence = *sequence_;
    if (candidate < 0) return;
    extend_prefix(sequence.attributes, sequence.request.num_groups, sequence.request.num_flags,
                  slot, candidate, sequence.prefix);
  }

  // The candidates whose logits have a gradient at this slot. Pinned and empty slots, where nothing
  // was drawn, have no probabilities; a choice that was not allowed has log_prob -inf.
  int list_gradients(int64_t b, int64_t at) {
    const T* probs = task_.probs + at * task_.num_candidates;
    const T grad_log_prob = std::isfinite(task_.log_prob[at]) ? task_.grad_log_prob[at] : T(0);
    gradient_by_logits<T>(
        {probs, task_.num_candidates, task_.slates[at], task_.entropy[at], task_.temperature[b]},
        grad_log_prob, task_.grad_entropy[at], grad_logits_);
    int size = 0;
    for (int64_t m = 0; m < task_.num_candidates; ++m) {
      listed_[size] = static_cast<int16_t>(m);
      size += probs[m] > 0 && grad_logits_[m] != 0;
    }
    return size;
  }

  void add_slot(int64_t b, int64_t at, int slot, int size, const T* keys, T* grad_keys,
                T* grad_attention, T* grad_w_g, T* grad_projection) {
    const int64_t H = task_.attention_width;
    const Sequence& sequence = *sequence_;
    const QueryParameters<T> parameters = {weights_, layout_, task_.weights,
                                           task_.attention + b * task_.attention_stride};
    const T* projection = task_.projection + at * H;
    classes_->fill(listed_, size, [&](int m) {
      return context_class(sequence.attributes, sequence.prefix, sequence.request.num_groups, slot,
                           task_.context_window, m);
    });
    const int classes = classes_->size();
    slot_query<S>(parameters, sequence.request, sequence.prefix, slot, projection, query_);
    class_rows<S>(parameters, classes_->bits(), classes, sequence.prefix, query_, rows_);
    __builtin_memset(grad_rows_, 0, classes * H * sizeof(T));
    for_each_vector<S>(H, [&](auto load, auto store) {
      add_candidates(parameters.row(layout_.v()), size, keys, grad_keys,
                     grad_attention + layout_.v() * H, load, store);
    });
    add_context(grad_attention, classes);
    add_query(parameters, slot, projection, grad_attention, grad_w_g, grad_projection);
  }

  // One vector of the attention's width, all candidates of the slot.
  template <typename Load, typename Store>
  void add_candidates(const T* v, int size, const T* keys, T* grad_keys, T* grad_v, Load load,
                      Store store) {
    const int64_t H = task_.attention_width;
    const vec factor = S::mul(S::set(4), load(v));
    vec total = load(grad_v);
    for (int j = 0; j < size; ++j) {
      const int64_t key = listed_[j] * H, row = classes_->class_of(j) * H;
      const vec grad = S::set(grad_logits_[listed_[j]]);
      const vec r = VectorMaths<S>::half_complement(S::add(load(keys + key), load(rows_ + row)));
      const vec grad_x = S::mul(S::mul(grad, factor), S::fnma(r, r, r));
      total = S::fma(grad, S::fnma(S::set(2), r, S::set(1)), total);
      store(grad_keys + key, S::add(load(grad_keys + key), grad_x));
      store(grad_rows_ + row, S::add(load(grad_rows_ + row), grad_x));
    }
    store(grad_v, total);
  }

  // From the classes' rows to W_c and to the query.
  void add_context(T* grad_attention, int classes) {
    const int64_t H = task_.attention_width;
    __builtin_memset(grad_query_, 0, H * sizeof(T));
    for (int c = 0; c < classes; ++c) {
      const T* grad_row = grad_rows_ + c * H;
      VectorMaths<S>::add_scaled(grad_row, T(1), H, grad_query_);
      for_each_feature<T>(
          sequence_->prefix, layout_, classes_->bits()[c], [&](int64_t feature, T value) {
            VectorMaths<S>::add_scaled(grad_row, value, H, grad_attention + feature * H);
          });
    }
  }

  // From the query to bias, scale, the shared terms' factor and W_s h.
  void add_query(const QueryParameters<T>& parameters, int slot, const T* projection,
                 T* grad_attention, T* grad_w_g, T* grad_projection) {
    const int64_t H = task_.attention_width;
    const T* scale = parameters.row(layout_.scale());
    T* grad_bias = grad_attention + layout_.bias() * H;
    T* grad_scale = grad_attention + layout_.scale() * H;
    for_each_vector<S>(H, [&](auto load, auto store) {
      const vec grad = load(grad_query_);
      store(grad_bias, S::add(load(grad_bias), grad));
      store(grad_scale, S::fma(grad, load(projection), load(grad_scale)));
      store(grad_projection, S::mul(grad, load(scale)));
    });
    const RequestView& request = sequence_->request;
    for (int s = 0; s <= request.num_flags; ++s) {
      const T term = shared_term<T>(sequence_->prefix, request.num_flags, slot, request.slots, s);
      if (term != 0) VectorMaths<S>::add_scaled(grad_query_, term, H, grad_w_g + s * H);
    }
  }

  const GradientTask<T>& task_;
  const WeightLayout weights_;
  const AttentionLayout layout_;
  Sequence* sequence_;
  ClassList* classes_;  // of the listed candidates
  int16_t* listed_;     // [M]
  T* grad_logits_;      // [M]
  T* query_;            // [H]
  T* grad_query_;       // [H]
  T* rows_;             // [M, H] per class
  T* grad_rows_;        // [M, H]
};

}  // namespace
}  // namespace gerank::cpu
