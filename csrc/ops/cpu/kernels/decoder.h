// The decoding loop's mathematics for a block of requests that advance slot by slot together, so
// that a GRU step is one matrix product. What is chosen at a slot is the business of the op.
#pragma once

#include <cmath>
#include <cstdint>

#include "../../../decode/rules.h"
#include "candidate_list.h"
#include "class_tables.h"
#include "context_classes.h"
#include "distribution.h"
#include "query.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// One request of a block while one of its slates is decoded.
template <typename scalar_t>
struct Lane {
  RequestView request;
  Attributes attributes;
  Rules rules;
  Prefix prefix;
  GroupChains chains;
  ContextClasses classes;
  CandidateList open;
  bool tabulated;        // keys are e^2key
  scalar_t largest_key;  // |key| of the real candidates
  int last_placed;       // candidate whose vector is the GRU's input; -1: the start vector
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

  // For blocks of at most `block` requests.
  Decoder(const DecoderView<scalar_t>& inputs, int64_t block, Arena& arena)
      : inputs_(inputs),
        weights_(inputs.weight_layout()),
        attention_(inputs.attention_layout()) {
    lay_out(block, arena);
    if (tables_ != nullptr && inputs_.attention_stride == 0) {
      tables_[0].load(inputs_.attention, attention_.seen(0));
    }
  }

  // Takes up requests: attributes, and keys = W_e e of every candidate.
  void load(Block block) {
    first_ = block.first;
    count_ = block.count;
    // Where few candidates stay behind, a product with all of them is cheaper than one row per slot.
    projects_all_ = count_ == 1 && inputs_.num_candidates <= 2 * inputs_.num_slots;
    for (int64_t i = 0; i < count_; ++i) {
      lanes_[i].request = inputs_.request(first_ + i);
      find_attributes(lanes_[i].request, *table_, lanes_[i].attributes);
      find_chains(lanes_[i].request, lanes_[i].attributes, table_->entry, lanes_[i].chains);
    }
    const int64_t M = inputs_.num_candidates;
    multiply_keys(first_ * M, count_ * M, keys_);
    for (int64_t i = 0; i < count_; ++i) tabulate_keys(i);
    for (int64_t i = 0; inputs_.attention_stride != 0 && i < count_; ++i) {
      tables_[i].load(attention(i), attention_.seen(0));
    }
    if (projects_all_) project_inputs(inputs_.candidates + first_ * M * width(), M, all_inputs_);
  }

  // Before the first slot of every slate.
  void begin() {
    for (int64_t i = 0; i < count_; ++i) {
      Lane<scalar_t>& lane = lanes_[i];
      begin_rules(lane.request, lane.attributes, lane.rules);
      clear_prefix(lane.request.num_candidates, lane.request.num_groups, lane.prefix);
      begin_list(lane.request, lane.attributes, lane.rules, lane.open);
      lane.classes.begin(lane.open.of, lane.open.size, lane.request.num_candidates);
      lane.last_placed = -1;
    }
    __builtin_memcpy(hidden_, inputs_.set_vector + first_ * width(),
                     count_ * width() * sizeof(scalar_t));
    project_state(0, 3 * width());
  }

  // h_n of every lane. `gates(i)`: where lane i wants its gates [4D] stored, or nullptr. After the
  // last slot nobody asks for W_hh h.
  template <typename Gates>
  void advance(bool is_last, Gates gates) {
    prepare_inputs();
    for (int64_t i = 0; i < count_; ++i) {
      VectorMaths<S>::gru(input(i), state(i), width(), hidden(i), gates(i));
    }
    project_state(is_last ? 3 * width() : 0, weights_.state_columns());
  }

  // Scores the allowed candidates of an unpinned slot of lane i.
  ScoredSlot score(int64_t i, int slot) {
    Lane<scalar_t>& lane = lanes_[i];
    open_slot(lane.request, lane.attributes, slot, lane.rules);
    const AllowedList allowed = list_allowed(lane.request, lane.attributes, lane.rules, slot,
                                             lane.open, obstacles_, allowed_);
    if (allowed.size > 0) score_listed(i, slot, allowed);
    return {allowed.candidates, allowed.size, allowed.relaxed};
  }

  // softmax(logits / temperature) of lane i's slot.
  Distribution<scalar_t> distribution(int64_t i, const ScoredSlot& slot) {
    return distribute<S>(slot.size, inputs_.temperature[first_ + i], memory_);
  }

  // A sample from it, which uses it up.
  int draw(const Distribution<scalar_t>& distribution, const ScoredSlot& slot, const Draw& draw) {
    return sample<S>(distribution, draw, slot.candidates, static_cast<int>(inputs_.num_candidates),
                     memory_);
  }

  // Gives the slot of lane i to `candidate`, -1 for nothing.
  void place(int64_t i, int slot, int candidate) {
    Lane<scalar_t>& lane = lanes_[i];
    const uint32_t present = lane.prefix.present;
    fill_slot(lane.request, lane.attributes, slot, candidate, lane.rules);
    if (candidate >= 0) {
      extend_prefix(lane.attributes, lane.request.num_groups, lane.request.num_flags, slot,
                    candidate, lane.prefix);
      strike(lane.attributes, candidate, lane.open, [&](int m) { lane.classes.remove(m); });
      lane.last_placed = candidate;
    }
    advance_context(lane.request, lane.attributes, lane.chains, lane.prefix, present,
                    inputs_.context_window, slot, candidate, lane.rules.occupant, lane.classes);
  }

  int64_t lanes() const { return count_; }
  const RequestView& request(int64_t i) const { return lanes_[i].request; }
  scalar_t* hidden(int64_t i) { return hidden_ + i * width(); }       // [D] h_n
  scalar_t* projection(int64_t i) { return state(i) + 3 * width(); }  // [H] W_s h_n
  int most_slots() const {
    int most = 0;
    for (int64_t i = 0; i < count_; ++i) {
      most = lanes_[i].request.slots > most ? lanes_[i].request.slots : most;
    }
    return most;
  }

 private:
  int64_t width() const { return weights_.width; }
  int64_t attention_width() const { return weights_.attention_width; }
  scalar_t* state(int64_t i) { return state_ + i * weights_.state_columns(); }
  scalar_t* keys(int64_t i) { return keys_ + i * inputs_.num_candidates * attention_width(); }
  const scalar_t* attention(int64_t i) const {
    return inputs_.attention + (first_ + i) * inputs_.attention_stride;
  }
  const scalar_t* vector(int64_t i, int candidate) const {
    return inputs_.candidates + ((first_ + i) * inputs_.num_candidates + candidate) * width();
  }

  void lay_out(int64_t block, Arena& arena) {
    const int64_t M = inputs_.num_candidates, H = attention_width(), D = width();
    lanes_ = arena.take<Lane<scalar_t>>(block);
    class_bits_ = arena.take<uint32_t>(M + 1);
    class_of_ = arena.take<int16_t>(M);
    table_ = arena.take<LeaderTable>(1);
    obstacles_ = arena.take<uint8_t>(M);
    allowed_ = arena.take<int16_t>(M);
    keys_ = arena.take<scalar_t>(block * M * H);
    hidden_ = arena.take<scalar_t>(block * D);
    state_ = arena.take<scalar_t>(block * weights_.state_columns());
    placed_ = arena.take<scalar_t>(block * D);
    input_ = arena.take<scalar_t>(block * 3 * D);
    all_inputs_ = arena.take<scalar_t>(M <= 2 * inputs_.num_slots ? M * 3 * D : 0);
    rows_ = arena.take<scalar_t>(M * H);
    query_ = arena.take<scalar_t>(H);
    powers_ = arena.take<scalar_t>(H);
    const int64_t tables = inputs_.attention_stride != 0 ? block : 1;
    tables_ = arena.take<ClassTables<S>>(tables);
    for (int64_t i = 0; i < tables; ++i) {
      ClassTables<S> table;
      table.lay_out(attention_.v(), H, arena);
      if (tables_ != nullptr) tables_[i] = table;
    }
    memory_ = {arena.take<scalar_t>(padded(M)), arena.take<scalar_t>(padded(M)),
               arena.take<scalar_t>(padded(M)), arena.take<uint32_t>(padded(M)), {}};
    for (uint32_t*& draws : memory_.draws) draws = arena.take<uint32_t>(padded((M + 3) / 4));
  }

  void multiply_keys(int64_t row, int64_t rows, scalar_t* keys) const {
    Product<S>::multiply(inputs_.candidates + row * width(), width(), rows, width(),
                         inputs_.weights + weights_.w_e_t(), attention_width(), attention_width(),
                         nullptr, keys, attention_width());
  }

  // e^2key in place of key, where it stays in range. Padding may hold anything.
  void tabulate_keys(int64_t i) {
    Lane<scalar_t>& lane = lanes_[i];
    const int64_t H = attention_width();
    lane.largest_key = 0;
    for (int m = 0; m < lane.request.num_candidates; ++m) {
      if (!lane.request.mask[m]) continue;
      const scalar_t most = VectorMaths<S>::largest_magnitude(keys(i) + m * H, H);
      lane.largest_key = most > lane.largest_key ? most : lane.largest_key;
    }
    lane.tabulated = lane.largest_key <= Scorer<S>::kTableRange;
    if (lane.tabulated) VectorMaths<S>::tabulate(keys(i), lane.request.num_candidates * H);
  }

  // [rows, D] -> W_ih x + b_ih, [rows, 3D].
  void project_inputs(const scalar_t* x, int64_t rows, scalar_t* out) const {
    Product<S>::multiply(x, width(), rows, width(), inputs_.weights + weights_.w_ih_t(),
                         3 * width(), 3 * width(), inputs_.weights + weights_.b_ih(), out,
                         3 * width());
  }

  void prepare_inputs() {
    if (projects_all_ && lanes_[0].last_placed >= 0) return;
    for (int64_t i = 0; i < count_; ++i) {
      const int placed = lanes_[i].last_placed;
      __builtin_memcpy(placed_ + i * width(),
                       placed < 0 ? inputs_.weights + weights_.start() : vector(i, placed),
                       width() * sizeof(scalar_t));
    }
    project_inputs(placed_, count_, input_);
  }

  const scalar_t* input(int64_t i) const {
    const bool is_ready = projects_all_ && lanes_[i].last_placed >= 0;
    return is_ready ? all_inputs_ + lanes_[i].last_placed * 3 * width() : input_ + i * 3 * width();
  }

  // Columns [begin, end) of [W_hh; W_s] h: the first 3D, with b_hh, serve the GRU's next step, the
  // others this slot's query.
  void project_state(int64_t begin, int64_t end) {
    const int64_t columns = weights_.state_columns(), gates = 3 * width();
    const scalar_t* w = inputs_.weights + weights_.w_hs_t();
    if (begin < gates) {
      Product<S>::multiply(hidden_, width(), count_, width(), w, columns, gates,
                           inputs_.weights + weights_.b_hh(), state_, columns);
    }
    if (end > gates) {
      Product<S>::multiply(hidden_, width(), count_, width(), w + gates, columns, end - gates,
                           nullptr, state_ + gates, columns);
    }
  }

  void score_listed(int64_t i, int slot, const AllowedList& allowed) {
    Lane<scalar_t>& lane = lanes_[i];
    const int64_t H = attention_width();
    const QueryParameters<scalar_t> parameters = {weights_, attention_, inputs_.weights,
                                                  attention(i)};
    const int classes =
        lane.classes.list(allowed.candidates, allowed.size, class_bits_, class_of_);
    slot_query<S>(parameters, lane.request, lane.prefix, slot, projection(i), query_);
    const Scorer<S> scorer(parameters.row(attention_.v()), H);
    if (tabulate_rows(i, parameters, classes)) {
      scorer.template score<true>(keys(i), rows_, allowed.candidates, class_of_, allowed.size,
                                  memory_.logits);
    } else {
      scorer.template score<false>(keys(i), rows_, allowed.candidates, class_of_, allowed.size,
                                   memory_.logits);
    }
  }

  // Fills the rows with e^2(query + W_c c), or, where that is out of the tables' range, with
  // query + W_c c itself. Then the lane gets its keys back and keeps them.
  bool tabulate_rows(int64_t i, const QueryParameters<scalar_t>& parameters, int classes) {
    Lane<scalar_t>& lane = lanes_[i];
    const int64_t H = attention_width();
    const scalar_t range = Scorer<S>::kTableRange - lane.largest_key;
    if (lane.tabulated) {
      scalar_t largest_power = 0;
      __builtin_memcpy(powers_, query_, H * sizeof(scalar_t));
      ClassTables<S>& tables = tables_[inputs_.attention_stride != 0 ? i : 0];
      if (tables.multiply(parameters, class_bits_, classes, lane.prefix, powers_, rows_,
                          largest_power) &&
          largest_power <= std::exp(2 * range)) {
        return true;
      }
    }
    class_rows<S>(parameters, class_bits_, classes, lane.prefix, query_, rows_);
    if (!lane.tabulated) return false;
    lane.tabulated = VectorMaths<S>::largest_magnitude(rows_, classes * H) <= range;
    if (lane.tabulated) {
      VectorMaths<S>::tabulate(rows_, classes * H);
    } else {
      multiply_keys((first_ + i) * inputs_.num_candidates, inputs_.num_candidates, keys(i));
    }
    return lane.tabulated;
  }

  const DecoderView<scalar_t>& inputs_;
  const WeightLayout weights_;
  const AttentionLayout attention_;
  int64_t first_ = 0;
  int64_t count_ = 0;
  bool projects_all_ = false;
  Lane<scalar_t>* lanes_;     // [block]
  uint32_t* class_bits_;      // [M + 1] of the classes of the slot that is scored
  int16_t* class_of_;         // [M] of its candidates
  LeaderTable* table_;
  uint8_t* obstacles_;        // [M]
  int16_t* allowed_;          // [M]
  scalar_t* keys_;            // [block, M, H] keys, or their table
  scalar_t* hidden_;          // [block, D]
  scalar_t* state_;           // [block, 3D + H] W_hh h + b_hh, then W_s h
  scalar_t* placed_;          // [block, D] what was last placed
  scalar_t* input_;           // [block, 3D] W_ih x + b_ih of it
  scalar_t* all_inputs_;      // [M, 3D] the same of all candidates
  scalar_t* rows_;            // [M, H] one row per context class
  scalar_t* query_;           // [H]
  scalar_t* powers_;          // [H] e^2query
  ClassTables<S>* tables_;    // [block], or [1] where all requests share the attention
  DistributionMemory<scalar_t> memory_;
};

}  // namespace
}  // namespace gerank::cpu
