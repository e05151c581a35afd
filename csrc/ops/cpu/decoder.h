// The decoding loop's mathematics for a block of requests that advance slot by slot together, so
// that a GRU step is one matrix product. What is chosen at a slot is the business of the op.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "../../decode/rules.h"
#include "context_classes.h"
#include "decoder_arguments.h"
#include "distribution.h"
#include "query.h"

namespace gerank::cpu {

constexpr int64_t kBlock = 8;  // requests that share a GRU step

// Requests per block: enough for a matrix product, few enough that every thread gets some.
inline int64_t block_size(int64_t batch) {
  const int64_t share = (batch + at::get_num_threads() - 1) / at::get_num_threads();
  return std::clamp<int64_t>(share, 1, kBlock);
}

// Memory that a thread keeps from call to call: a fresh large allocation costs its page faults.
template <typename value_t>
class Scratch {
 public:
  value_t* resize(int64_t size) {
    if (size > capacity_) {
      data_ = std::make_unique_for_overwrite<value_t[]>(size);
      capacity_ = size;
    }
    return data_.get();
  }

 private:
  std::unique_ptr<value_t[]> data_;
  int64_t capacity_ = 0;
};

// One request of a block while one of its slates is decoded.
struct Lane {
  RequestView request;
  Attributes attributes;
  Rules rules;
  Prefix prefix;
};

// The allowed candidates of one slot with their logits. The memory is the decoder's.
template <typename scalar_t>
struct ScoredSlot {
  int size;
  int relaxed;
  const int16_t* candidates;  // [size], ascending
  const scalar_t* logits;     // [size]
};

template <typename Maths>
class Decoder {
 public:
  using scalar_t = typename Maths::scalar_t;

  // For up to `block` requests at a time. One decoder per thread.
  Decoder(const DecoderInputs<scalar_t>& inputs, int64_t context_window, int64_t block)
      : inputs_(inputs),
        weights_(inputs.weight_layout()),
        attention_(inputs.attention_layout()),
        window_(context_window) {
    reserve(block);
    const scalar_t* packed = inputs.weights.data;
    // One product with [W_hh; W_s] serves the next GRU step and this slot's query.
    std::copy_n(packed + weights_.b_hh(), 3 * width(), state_bias_);
    std::fill_n(state_bias_ + 3 * width(), attention_width(), scalar_t(0));
    Maths::product(packed + weights_.start(), width(), 1, width(), packed + weights_.w_ih_t(),
                   3 * width(), 3 * width(), packed + weights_.b_ih(), start_input_, 3 * width());
  }

  // Takes up `count` requests from `first` on: attributes, and keys = W_e e of every candidate.
  void load(int64_t first, int64_t count) {
    first_ = first;
    count_ = count;
    for (int64_t i = 0; i < count; ++i) {
      Lane& lane = lanes_[i];
      lane.request = inputs_.request(first + i);
      find_attributes(lane.request, table_, lane.attributes);
    }
    const int64_t rows = inputs_.num_candidates;
    Maths::product(inputs_.candidates.data + first * rows * width(), width(), count * rows, width(),
                   inputs_.weights.data + weights_.w_e_t(), attention_width(), attention_width(),
                   nullptr, keys_, attention_width());
  }

  // Before the first slot of every slate.
  void begin() {
    for (int64_t i = 0; i < count_; ++i) {
      Lane& lane = lanes_[i];
      begin_rules(lane.request, lane.attributes, lane.rules);
      clear_prefix(lane.request.num_candidates, lane.request.num_groups, lane.prefix);
      std::copy_n(start_input_, 3 * width(), input(i));
    }
    std::copy_n(inputs_.set_vector.data + first_ * width(), count_ * width(), hidden_);
    project_state();
  }

  // h_n of every lane. `gates(i)`: where lane i wants its gates [4D] stored, or nullptr.
  template <typename Gates>
  void advance(Gates gates) {
    for (int64_t i = 0; i < count_; ++i) {
      Maths::gru(input(i), state(i), width(), hidden(i), gates(i));
    }
    project_state();
  }

  // Scores the allowed candidates of an unpinned slot of lane i.
  ScoredSlot<scalar_t> score(int64_t i, int slot) {
    Lane& lane = lanes_[i];
    open_slot(lane.request, lane.attributes, slot, lane.rules);
    int relaxed = 0;
    const int size = list_allowed(lane.request, lane.attributes, lane.rules, slot, obstacles_,
                                  allowed_, relaxed);
    if (size > 0) score_listed(i, slot, size);
    return {size, relaxed, allowed_, logits_};
  }

  // softmax(logits / temperature) of lane i's slot.
  Distribution<scalar_t> distribution(int64_t i, const ScoredSlot<scalar_t>& slot) {
    return distribute(slot.logits, slot.size, inputs_.temperature.data[first_ + i], scaled_,
                      probs_);
  }

  // Gives the slot of lane i to `candidate`, -1 for nothing.
  void place(int64_t i, int slot, int candidate) {
    Lane& lane = lanes_[i];
    fill_slot(lane.request, lane.attributes, slot, candidate, lane.rules);
    if (candidate < 0) return;  // the GRU's input stays
    extend_prefix(lane.attributes, lane.request.num_groups, lane.request.num_flags, slot, candidate,
                  lane.prefix);
    if (slot + 1 >= lane.request.slots) return;
    const scalar_t* chosen =
        inputs_.candidates.data + ((first_ + i) * inputs_.num_candidates + candidate) * width();
    Maths::product(chosen, width(), 1, width(), inputs_.weights.data + weights_.w_ih_t(),
                   3 * width(), 3 * width(), inputs_.weights.data + weights_.b_ih(), input(i),
                   3 * width());
  }

  int64_t lanes() const { return count_; }
  const RequestView& request(int64_t i) const { return lanes_[i].request; }
  scalar_t* hidden(int64_t i) { return hidden_ + i * width(); }       // [D] h_n
  scalar_t* projection(int64_t i) { return state(i) + 3 * width(); }  // [H] W_s h_n
  int64_t most_slots() const {
    int most = 0;
    for (int64_t i = 0; i < count_; ++i) most = std::max(most, lanes_[i].request.slots);
    return most;
  }

 private:
  int64_t width() const { return weights_.width; }
  int64_t attention_width() const { return weights_.attention_width; }
  scalar_t* state(int64_t i) { return state_ + i * weights_.state_columns(); }
  scalar_t* input(int64_t i) { return input_ + i * 3 * width(); }

  void reserve(int64_t block) {
    static thread_local Scratch<Lane> lanes;
    static thread_local Scratch<scalar_t> numbers;
    static thread_local Scratch<ContextClasses> classes;
    const int64_t M = inputs_.num_candidates, H = attention_width(), D = width();
    const int64_t columns = weights_.state_columns();
    lanes_ = lanes.resize(block);
    classes_ = classes.resize(1);
    scalar_t* next =
        numbers.resize(columns + 3 * D + block * (M * H + D + columns + 3 * D) + M * H + H + 3 * M);
    const auto take = [&next](int64_t size) { return std::exchange(next, next + size); };
    state_bias_ = take(columns);
    start_input_ = take(3 * D);
    keys_ = take(block * M * H);
    hidden_ = take(block * D);
    state_ = take(block * columns);
    input_ = take(block * 3 * D);
    rows_ = take(M * H);
    query_ = take(H);
    logits_ = take(M);
    scaled_ = take(M);
    probs_ = take(M);
  }

  void project_state() {
    const int64_t columns = weights_.state_columns();
    Maths::product(hidden_, width(), count_, width(), inputs_.weights.data + weights_.w_hs_t(),
                   columns, columns, state_bias_, state_, columns);
  }

  void score_listed(int64_t i, int slot, int size) {
    const Lane& lane = lanes_[i];
    const int64_t H = attention_width();
    const QueryParameters<scalar_t> parameters = {weights_, attention_, inputs_.weights.data,
                                                  inputs_.attention.of(first_ + i)};
    const scalar_t* keys = keys_ + i * inputs_.num_candidates * H;
    find_classes(lane.request, lane.attributes, lane.prefix, slot, window_, allowed_, size,
                 *classes_);
    slot_query<Maths>(parameters, lane.request, lane.prefix, slot, projection(i), query_);
    class_rows<Maths>(parameters, *classes_, lane.prefix, query_, rows_);
    for (int j = 0; j < size; ++j) {
      logits_[j] = Maths::score(keys + allowed_[j] * H, rows_ + classes_->of[j] * H,
                                parameters.row(attention_.v()), H);
    }
  }

  const DecoderInputs<scalar_t>& inputs_;
  const WeightLayout weights_;
  const AttentionLayout attention_;
  const int64_t window_;
  int64_t first_ = 0;
  int64_t count_ = 0;
  Lane* lanes_;  // [block]
  ContextClasses* classes_;
  LeaderTable table_;
  uint8_t obstacles_[kMaxCandidates];
  int16_t allowed_[kMaxCandidates];
  scalar_t* state_bias_;   // [3D + H] b_hh, then zeros
  scalar_t* start_input_;  // [3D] of the start vector
  scalar_t* keys_;         // [block, M, H]
  scalar_t* hidden_;       // [block, D]
  scalar_t* state_;        // [block, 3D + H] of h_n: the next step's W_hh h + b_hh, then W_s h
  scalar_t* input_;        // [block, 3D] W_ih x + b_ih
  scalar_t* rows_;         // [M, H] one row per context class
  scalar_t* query_;        // [H]
  scalar_t* logits_;       // [M]
  scalar_t* scaled_;       // [M]
  scalar_t* probs_;        // [M]
};

}  // namespace gerank::cpu
