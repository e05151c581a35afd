// Scores the candidates of a slot, by tables of powers where these hold the numbers, else in
// double.
#pragma once

#include <cstdint>

#include "attention_tables.h"
#include "matrix_product.h"
#include "open_slot.h"
#include "query.h"
#include "scorer.h"
#include "tasks.h"
#include "vector_maths.h"
#include "wide_scorer.h"

namespace gerank::cpu {
namespace {

// It serves blocks of at most `block` requests, each of them a sequence.
template <typename S>
class SlotScorer {
 public:
  using T = typename S::scalar_t;

  // `pairs` as of a Decoder.
  SlotScorer(const DecoderView<T>& inputs, int64_t block, Arena& arena,
             const uint32_t* pairs = nullptr)
      : inputs_(inputs),
        weights_(inputs.weight_layout()),
        packed_{inputs.weights, 0, pairs},
        product_(inputs.width, arena),
        wide_(inputs) {
    lay_out(block, arena);
    if (tables_ != nullptr && inputs.attention_stride == 0) tables_[0].load(inputs.attention);
  }

  // keys = W_e e of every candidate of the block.
  void load(Block block) {
    first_ = block.first;
    multiply_keys(block.count);
    for (int64_t i = 0; i < block.count; ++i) {
      if (inputs_.attention_stride != 0) tables_[i].load(inputs_.attention_of(first_ + i));
      tabulate_keys(i);
    }
  }

  // Before the first slot of a slate.
  void begin(int64_t i) {
    if (!sequences_[i].tabulated) wide_.begin(i);
  }

  // logits[j] of candidates[j], j < size; `projection` [H] is W_s h.
  void score(int64_t i, const OpenSlot& open, const T* projection, const int16_t* candidates,
             int size, T* logits) {
    if (sequences_[i].tabulated && score_by_powers(i, open, projection, candidates, size, logits)) {
      return;
    }
    score_in_double(i, open, candidates, size, logits);
  }

 private:
  using vec = typename S::vec;

  struct Sequence {
    bool tabulated;  // scored by powers
    T* largest;      // [H] of the real candidates' e^2key, times any product of group factors
  };

  int64_t H() const { return weights_.attention_width; }
  T* keys(int64_t i) { return keys_ + i * inputs_.num_candidates * H(); }
  AttentionTables<S>& tables(int64_t i) { return tables_[inputs_.attention_stride != 0 ? i : 0]; }

  void lay_out(int64_t block, Arena& arena) {
    const int64_t M = inputs_.num_candidates;
    const int64_t tables = inputs_.attention_stride != 0 ? block : 1;
    sequences_ = arena.take<Sequence>(block);
    keys_ = arena.take<T>(block * M * H());
    rows_ = arena.take<T>((M + 1) * H());
    row_of_ = arena.take<const T*>(M + 1);
    query_ = arena.take<T>(H());
    for (int64_t i = 0; i < block; ++i) {
      T* largest = arena.take<T>(H());
      if (sequences_ != nullptr) sequences_[i].largest = largest;
    }
    tables_ = arena.take<AttentionTables<S>>(tables);
    for (int64_t i = 0; i < tables; ++i) {
      AttentionTables<S> table;
      table.lay_out(inputs_.attention_layout(), H(), arena);
      if (tables_ != nullptr) tables_[i] = table;
    }
    wide_.lay_out(block, arena);
  }

  void multiply_keys(int64_t count) {
    const int64_t D = weights_.width, M = inputs_.num_candidates;
    product_.multiply(inputs_.candidates + first_ * M * D, D, count * M, D,
                      packed_.at(weights_.w_e_t(), H()), H(), nullptr, keys_, H());
  }

  // e^2key in place of key, unless that leaves the range. Padding may hold anything.
  void tabulate_keys(int64_t i) {
    Sequence& sequence = sequences_[i];
    const int64_t M = inputs_.num_candidates;
    const bool* mask = inputs_.mask + (first_ + i) * M;
    const T* groups = tables(i).most();
    __builtin_memset(sequence.largest, 0, H() * sizeof(T));
    vec most = S::set(0);
    for (int64_t m = 0; m < M; ++m) {
      if (!mask[m]) continue;
      T* key = keys(i) + m * H();
      for_each_vector<S>(H(), [&](auto load, auto store) {
        const vec x = load(key), power = S::exp(S::add(x, x));
        most = S::max(S::abs(x), most);
        store(key, power);
        store(sequence.largest, S::max(load(sequence.largest), power));
      });
    }
    for_each_vector<S>(H(), [&](auto load, auto store) {
      store(sequence.largest, S::mul(load(sequence.largest), load(groups)));
    });
    const T range = S::largest(most) + tables(i).largest_of_groups();
    sequence.tabulated = true;
    if (!(range <= AttentionTables<S>::kFactorRange)) leave_tables(i);
  }

  // For the rest of the request. Cold: what is rare must not spread out the code of what is not.
  [[gnu::cold, gnu::noinline]] void leave_tables(int64_t i) {
    wide_.load(i, first_ + i);
    sequences_[i].tabulated = false;
  }

  [[gnu::cold, gnu::noinline]] void score_in_double(int64_t i, const OpenSlot& open,
                                                    const int16_t* candidates, int size,
                                                    T* logits) {
    if (sequences_[i].tabulated) leave_tables(i);
    wide_.score(i, open, candidates, size, logits);
  }

  // False where the powers' range is left, and nothing is scored.
  bool score_by_powers(int64_t i, const OpenSlot& open, const T* projection,
                       const int16_t* candidates, int size, T* logits) {
    const QueryParameters<T> parameters = {weights_, inputs_.attention_layout(), inputs_.weights,
                                           inputs_.attention_of(first_ + i)};
    slot_query<S>(parameters, open.request, open.prefix, open.slot, projection, query_);
    const T largest =
        tables(i).combine(open.codes, open.prefix, sequences_[i].largest, query_, rows_, row_of_);
    if (!(largest <= Scorer<S>::kPairRange)) return false;
    Scorer<S>::by_powers({tables(i), keys(i), open.codes, row_of_, H(), largest},
                         code_sets(open.request.num_groups), candidates, size, logits);
    return true;
  }

  const DecoderView<T>& inputs_;
  const WeightLayout weights_;
  const Matrix<T> packed_;  // all weights
  const MatrixProduct<S> product_;
  WideScorer<S> wide_;
  int64_t first_ = 0;
  Sequence* sequences_;         // [block]
  T* keys_;                     // [block, M, H] e^2key
  T* rows_;                     // [M + 1, H] of flag patterns
  const T** row_of_;            // [patterns] in rows_
  T* query_;                    // [H]
  AttentionTables<S>* tables_;  // [block], or [1] where all requests share the attention
};

}  // namespace
}  // namespace gerank::cpu
