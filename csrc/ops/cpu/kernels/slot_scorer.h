// Scores the candidates of a slot, by tables of powers where these hold the numbers, else directly.
#pragma once

#include <cmath>
#include <cstdint>

#include "class_tables.h"
#include "context_classes.h"
#include "query.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// For blocks of at most `block` requests, each in a lane.
template <typename S>
class SlotScorer {
 public:
  using T = typename S::scalar_t;

  SlotScorer(const DecoderView<T>& inputs, int64_t block, Arena& arena)
      : inputs_(inputs), weights_(inputs.weight_layout()), attention_(inputs.attention_layout()) {
    lay_out(block, arena);
    if (tables_ != nullptr && inputs.attention_stride == 0) {
      tables_[0].load(inputs.attention, attention_.seen(0));
    }
  }

  // keys = W_e e of every candidate of the block.
  void load(Block block) {
    first_ = block.first;
    multiply_keys(0, block.count);
    for (int64_t i = 0; i < block.count; ++i) {
      tabulate_keys(i);
      lanes_[i].factors.generation = -1;
      if (inputs_.attention_stride != 0) tables_[i].load(attention(i), attention_.seen(0));
    }
  }

  // logits[j] of candidates[j], j < size; `projection` [H] is W_s h.
  void score(int64_t i, const RequestView& request, const Prefix& prefix, int slot,
             const T* projection, const int16_t* candidates, int size, ContextClasses& classes,
             T* logits) {
    const QueryParameters<T> parameters = {weights_, attention_, inputs_.weights, attention(i)};
    const ClassList list = {classes.list(candidates, size, bits_, numbers_, class_of_), bits_,
                            numbers_};
    forget_factors(lanes_[i].factors, classes.generation());
    slot_query<S>(parameters, request, prefix, slot, projection, query_);
    const Scorer<S> scorer(parameters.row(attention_.v()), H());
    if (tabulate_rows(i, parameters, list, prefix)) {
      scorer.template score<true>(keys(i), rows_, candidates, class_of_, size, logits);
    } else {
      scorer.template score<false>(keys(i), rows_, candidates, class_of_, size, logits);
    }
  }

 private:
  struct Lane {
    bool tabulated;  // keys are e^2key
    T largest_key;   // |key| of the real candidates
    ClassFactors<T> factors;
  };

  int64_t H() const { return weights_.attention_width; }
  T* keys(int64_t i) { return keys_ + i * inputs_.num_candidates * H(); }
  const T* attention(int64_t i) const {
    return inputs_.attention + (first_ + i) * inputs_.attention_stride;
  }

  void lay_out(int64_t block, Arena& arena) {
    const int64_t M = inputs_.num_candidates;
    const int64_t capacity = ContextClasses::capacity(static_cast<int>(M));
    const int64_t tables = inputs_.attention_stride != 0 ? block : 1;
    lanes_ = arena.take<Lane>(block);
    keys_ = arena.take<T>(block * M * H());
    rows_ = arena.take<T>(M * H());
    query_ = arena.take<T>(H());
    powers_ = arena.take<T>(H());
    bits_ = arena.take<uint32_t>(M + 1);
    numbers_ = arena.take<int16_t>(M + 1);
    class_of_ = arena.take<int16_t>(M);
    for (int64_t i = 0; i < block; ++i) {
      const ClassFactors<T> factors = {arena.take<T>(capacity * H()), arena.take<uint8_t>(capacity),
                                       -1};
      if (lanes_ != nullptr) lanes_[i].factors = factors;
    }
    tables_ = arena.take<ClassTables<S>>(tables);
    for (int64_t i = 0; i < tables; ++i) {
      ClassTables<S> table;
      table.lay_out(attention_.v(), H(), arena);
      if (tables_ != nullptr) tables_[i] = table;
    }
  }

  void multiply_keys(int64_t lane, int64_t count) {
    const int64_t D = weights_.width, M = inputs_.num_candidates;
    Product<S>::multiply(inputs_.candidates + (first_ + lane) * M * D, D, count * M, D,
                         inputs_.weights + weights_.w_e_t(), H(), H(), nullptr, keys(lane), H());
  }

  // e^2key in place of key, where it stays in range. Padding may hold anything.
  void tabulate_keys(int64_t i) {
    Lane& lane = lanes_[i];
    const int64_t M = inputs_.num_candidates;
    const bool* mask = inputs_.mask + (first_ + i) * M;
    lane.largest_key = 0;
    for (int64_t m = 0; m < M; ++m) {
      if (!mask[m]) continue;
      const T most = VectorMaths<S>::largest_magnitude(keys(i) + m * H(), H());
      lane.largest_key = most > lane.largest_key ? most : lane.largest_key;
    }
    lane.tabulated = lane.largest_key <= Scorer<S>::kTableRange;
    if (lane.tabulated) VectorMaths<S>::tabulate(keys(i), M * H());
  }

  // Where the classes have got other numbers.
  void forget_factors(ClassFactors<T>& factors, int generation) const {
    if (factors.generation == generation) return;
    factors.generation = generation;
    __builtin_memset(factors.known, 0,
                     ContextClasses::capacity(static_cast<int>(inputs_.num_candidates)));
  }

  // Fills the rows with e^2(query + W_c c), or, where that is out of the tables' range, with
  // query + W_c c itself. Then the lane gets its keys back and keeps them.
  bool tabulate_rows(int64_t i, const QueryParameters<T>& parameters, const ClassList& list,
                     const Prefix& prefix) {
    Lane& lane = lanes_[i];
    const T range = Scorer<S>::kTableRange - lane.largest_key;
    if (lane.tabulated && multiply_rows(i, parameters, list, prefix, range)) return true;
    class_rows<S>(parameters, bits_, list.size, prefix, query_, rows_);
    if (!lane.tabulated) return false;
    lane.tabulated = VectorMaths<S>::largest_magnitude(rows_, list.size * H()) <= range;
    if (lane.tabulated) {
      VectorMaths<S>::tabulate(rows_, list.size * H());
    } else {
      multiply_keys(i, 1);
    }
    return lane.tabulated;
  }

  bool multiply_rows(int64_t i, const QueryParameters<T>& parameters, const ClassList& list,
                     const Prefix& prefix, T range) {
    T largest_power = 0;
    __builtin_memcpy(powers_, query_, H() * sizeof(T));
    ClassTables<S>& tables = tables_[inputs_.attention_stride != 0 ? i : 0];
    return tables.multiply(parameters, list, prefix, lanes_[i].factors, powers_, rows_,
                           largest_power) &&
           largest_power <= std::exp(2 * range);
  }

  const DecoderView<T>& inputs_;
  const WeightLayout weights_;
  const AttentionLayout attention_;
  int64_t first_ = 0;
  Lane* lanes_;             // [block]
  T* keys_;                 // [block, M, H] keys, or their table
  T* rows_;                 // [M, H] one row per context class
  T* query_;                // [H]
  T* powers_;               // [H] e^2query
  uint32_t* bits_;          // [M + 1] of the classes of the slot that is scored
  int16_t* numbers_;        // [M + 1] their numbers
  int16_t* class_of_;       // [M] of its candidates
  ClassTables<S>* tables_;  // [block], or [1] where all requests share the attention
};

}  // namespace
}  // namespace gerank::cpu
