// The decoding loop's mathematics for a block of requests that advance slot by slot together, so
// that a GRU step is one matrix product. What is chosen at a slot is the business of the op.
#pragma once

#include <cstdint>

#include "../decode/rules.h"
#include "candidate_list.h"
#include "context_codes.h"
#include "distribution.h"
#include "matrix_product.h"
#include "slot_scorer.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// One request of a block while one of its slates is decoded.
struct Sequence {
  RequestView request;
  Attributes attributes;
  Rules rules;
  Prefix prefix;
  GroupChains chains;
  ContextCodes codes;
  CandidateList open;
  int last_placed;  // candidate whose vector is the GRU's input; -1: the start vector
};

// The allowed candidates of one slot; their logits are in the decoder's distribution memory.
struct ScoredSlot {
  const int16_t* candidates;  // [size], ascending
  int size;
  int relaxed;
};

template <typename S>
class Decoder {
 public:
  using scalar_t = typename S::scalar_t;

  // For blocks of at most `block` requests. `pairs` [P] has the matrices of the weights, each at
  // its place, packed in bfloat16; nullptr: the weights themselves count.
  Decoder(const DecoderView<scalar_t>& inputs, int64_t block, Arena& arena,
          const uint32_t* pairs = nullptr)
      : inputs_(inputs),
        weights_(inputs.weight_layout()),
        packed_{inputs.weights, 0, pairs},
        product_(inputs.width, arena),
        scorer_(inputs, block, arena, pairs) {
    lay_out(block, arena);
    if (start_input_ != nullptr) {
      project_inputs(inputs.weights + weights_.start(), 1, start_input_);
    }
  }

  // Takes up requests.
  void load(Block block) {
    first_ = block.first;
    count_ = block.count;
    // Where few candidates stay behind, a product with all of them is cheaper than one row per
    // slot.
    projects_all_ = count_ == 1 && inputs_.num_candidates <= 2 * inputs_.num_slots;
    for (int64_t i = 0; i < count_; ++i) {
      sequences_[i].request = inputs_.request(first_ + i);
      find_attributes(sequences_[i].request, *table_, sequences_[i].attributes);
      find_chains(sequences_[i].request, sequences_[i].attributes, table_->entry,
                  sequences_[i].chains);
      sequences_[i].codes.load(sequences_[i].request, sequences_[i].attributes, *table_);
    }
    scorer_.load(block);
    const int64_t M = inputs_.num_candidates;
    if (projects_all_) project_inputs(inputs_.candidates + first_ * M * width(), M, all_inputs_);
  }

  // Before the first slot of every slate.
  void begin() {
    for (int64_t i = 0; i < count_; ++i) {
      Sequence& sequence = sequences_[i];
      begin_rules(sequence.request, sequence.attributes, sequence.rules);
      clear_prefix(sequence.request.num_candidates, sequence.request.num_groups, sequence.prefix);
      begin_list(sequence.request, sequence.attributes, sequence.rules, sequence.open);
      sequence.codes.begin(sequence.request);
      sequence.last_placed = -1;
      scorer_.begin(i);
    }
    __builtin_memcpy(hidden_, inputs_.set_vector + first_ * width(),
                     count_ * width() * sizeof(scalar_t));
    project_state(0, 3 * width());
  }

  // h_n of every sequence. `gates(i)`: where sequence i wants its gates [4D] stored, or nullptr.
  // After the last slot nobody asks for W_hh h.
  template <typename Gates>
  void advance(bool is_last, Gates gates) {
    prepare_inputs();
    for (int64_t i = 0; i < count_; ++i) {
      VectorMaths<S>::gru(input(i), state(i), width(), hidden(i), gates(i));
    }
    project_state(is_last ? 3 * width() : 0, weights_.state_columns());
  }

  // Scores the allowed candidates of an unpinned slot of sequence i.
  ScoredSlot score(int64_t i, int slot) {
    Sequence& sequence = sequences_[i];
    open_slot(sequence.request, sequence.attributes, slot, sequence.rules);
    const AllowedList allowed =
        list_allowed(sequence.request, sequence.attributes, sequence.chains, sequence.rules, slot,
                     sequence.open, obstacles_, allowed_);
    if (allowed.size > 0) {
      const OpenSlot open = {sequence.request,      sequence.attributes,     sequence.prefix,
                             sequence.codes,        sequence.rules.occupant, slot,
                             inputs_.context_window};
      scorer_.score(i, open, projection(i), allowed.candidates, allowed.size, memory_.logits);
    }
    return {allowed.candidates, allowed.size, allowed.relaxed};
  }

  // softmax(logits / temperature) of sequence i's slot.
  Distribution<scalar_t> distribution(int64_t i, const ScoredSlot& slot) {
    return distribute<S>(slot.size, inputs_.temperature[first_ + i], memory_);
  }

  // A sample from it, which uses it up.
  int draw(const Distribution<scalar_t>& distribution, const ScoredSlot& slot, const Draw& draw) {
    return sample<S>(distribution, draw, slot.candidates, static_cast<int>(inputs_.num_candidates),
                     memory_);
  }

  // Gives the slot of sequence i to `candidate`, -1 for nothing.
  void place(int64_t i, int slot, int candidate) {
    Sequence& sequence = sequences_[i];
    fill_slot(sequence.request, sequence.attributes, slot, candidate, sequence.rules);
    if (candidate >= 0) {
      extend_prefix(sequence.attributes, sequence.request.num_groups, sequence.request.num_flags,
                    slot, candidate, sequence.prefix);
      remove_excluded(sequence.attributes, candidate, sequence.open);
      sequence.last_placed = candidate;
    }
    sequence.codes.advance(sequence.request, sequence.attributes, sequence.chains, sequence.prefix,
                           inputs_.context_window, slot, candidate, sequence.rules.occupant);
  }

  int64_t sequences() const { return count_; }
  const scalar_t* logits() const { return memory_.logits; }  // [size] of the slot last scored
  const RequestView& request(int64_t i) const { return sequences_[i].request; }
  scalar_t* hidden(int64_t i) { return hidden_ + i * width(); }       // [D] h_n
  scalar_t* projection(int64_t i) { return state(i) + 3 * width(); }  // [H] W_s h_n
  int most_slots() const {
    int most = 0;
    for (int64_t i = 0; i < count_; ++i) {
      most = sequences_[i].request.slots > most ? sequences_[i].request.slots : most;
    }
    return most;
  }

 private:
  int64_t width() const { return weights_.width; }
  scalar_t* state(int64_t i) { return state_ + i * weights_.state_columns(); }
  const scalar_t* vector(int64_t i, int candidate) const {
    return inputs_.candidates + ((first_ + i) * inputs_.num_candidates + candidate) * width();
  }

  void lay_out(int64_t block, Arena& arena) {
    const int64_t M = inputs_.num_candidates, D = width();
    sequences_ = arena.take<Sequence>(block);
    table_ = arena.take<LeaderTable>(1);
    obstacles_ = arena.take<uint8_t>(M);
    allowed_ = arena.take<int16_t>(M);
    hidden_ = arena.take<scalar_t>(block * D);
    state_ = arena.take<scalar_t>(block * weights_.state_columns());
    placed_ = arena.take<scalar_t>(block * D);
    input_ = arena.take<scalar_t>(block * 3 * D);
    start_input_ = arena.take<scalar_t>(3 * D);
    all_inputs_ = arena.take<scalar_t>(M <= 2 * inputs_.num_slots ? M * 3 * D : 0);
    memory_ = distribution_memory<scalar_t>(M, arena);
  }

  // [rows, D] -> W_ih x + b_ih, [rows, 3D].
  void project_inputs(const scalar_t* x, int64_t rows, scalar_t* out) const {
    product_.multiply(x, width(), rows, width(), matrix(weights_.w_ih_t(), 3 * width()),
                      3 * width(), inputs_.weights + weights_.b_ih(), out, 3 * width());
  }

  void prepare_inputs() {
    if (projects_all_) return;
    bool is_first = true;
    for (int64_t i = 0; i < count_; ++i) {
      const int placed = sequences_[i].last_placed;
      is_first &= placed < 0;
      __builtin_memcpy(placed_ + i * width(),
                       placed < 0 ? inputs_.weights + weights_.start() : vector(i, placed),
                       width() * sizeof(scalar_t));
    }
    if (!is_first) project_inputs(placed_, count_, input_);
  }

  const scalar_t* input(int64_t i) const {
    const int placed = sequences_[i].last_placed;
    if (placed < 0) return start_input_;
    return projects_all_ ? all_inputs_ + placed * 3 * width() : input_ + i * 3 * width();
  }

  // Columns [begin, end) of [W_hh; W_s] h: the first 3D, with b_hh, serve the GRU's next step, the
  // others this slot's query.
  void project_state(int64_t begin, int64_t end) {
    const int64_t columns = weights_.state_columns(), gates = 3 * width();
    const Matrix<scalar_t> w = matrix(weights_.w_hs_t(), columns);
    if (begin < gates) {
      product_.multiply(hidden_, width(), count_, width(), w, gates,
                        inputs_.weights + weights_.b_hh(), state_, columns);
    }
    if (end > gates) {
      product_.multiply(hidden_, width(), count_, width(), w.columns_from(gates), end - gates,
                        nullptr, state_ + gates, columns);
    }
  }

  // The matrix at `offset` of the weights.
  Matrix<scalar_t> matrix(int64_t offset, int64_t columns) const {
    return packed_.at(offset, columns);
  }

  const DecoderView<scalar_t>& inputs_;
  const WeightLayout weights_;
  const Matrix<scalar_t> packed_;  // all weights, from which matrix() takes one
  const MatrixProduct<S> product_;
  SlotScorer<S> scorer_;
  int64_t first_ = 0;
  int64_t count_ = 0;
  bool projects_all_ = false;
  Sequence* sequences_;  // [block]
  LeaderTable* table_;
  uint8_t* obstacles_;     // [M]
  int16_t* allowed_;       // [M]
  scalar_t* hidden_;       // [block, D]
  scalar_t* state_;        // [block, 3D + H] W_hh h + b_hh, then W_s h
  scalar_t* placed_;       // [block, D] what was last placed
  scalar_t* input_;        // [block, 3D] W_ih x + b_ih of it
  scalar_t* start_input_;  // [3D] the same of the start vector
  scalar_t* all_inputs_;   // [M, 3D] the same of all candidates
  DistributionMemory<scalar_t> memory_;
};

}  // namespace
}  // namespace gerank::cpu
