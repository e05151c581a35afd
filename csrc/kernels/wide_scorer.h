// Scores of requests beyond the tables' range. Key and query are so large there that the roundings
// of float count, of the GRU's state as well: all of it is computed in double, up to the number
// that enters the tanh.
#pragma once

#include <cmath>
#include <cstdint>

#include "open_slot.h"
#include "query.h"
#include "scorer.h"
#include "tasks.h"

namespace gerank::cpu {
namespace {

// It serves blocks of at most `block` requests, each of them a sequence. It is called from cold
// code, and yet compiled for speed.
template <typename S>
class WideScorer {
 public:
  using T = typename S::scalar_t;

  explicit WideScorer(const DecoderView<T>& inputs)
      : inputs_(inputs), weights_(inputs.weight_layout()) {}

  void lay_out(int64_t block, Arena& arena) {
    sequences_ = arena.take<Sequence>(block);
    keys_ = arena.take<double>(block * inputs_.num_candidates * H());
    hidden_ = arena.take<double>(block * D());
    input_gates_ = arena.take<double>(3 * D());
    state_gates_ = arena.take<double>(3 * D());
    query_ = arena.take<double>(H());
    sums_ = arena.take<double>(H());
    x_ = arena.take<T>(inputs_.num_candidates * H());
  }

  // Takes up a request.
  [[gnu::hot, gnu::noinline]] void load(int64_t i, int64_t request) {
    sequences_[i].request = request;
    for (int64_t m = 0; m < inputs_.num_candidates; ++m) {
      clear(H(), key(i, m));
      add_product(candidate(i, m), weights_.w_e_t(), H(), H(), key(i, m));
    }
    begin(i);
  }

  // Before the first slot of a slate.
  [[gnu::hot, gnu::noinline]] void begin(int64_t i) {
    sequences_[i].slots = 0;
    sequences_[i].last_placed = -1;
    const T* set_vector = inputs_.set_vector + sequences_[i].request * D();
    for (int64_t d = 0; d < D(); ++d) hidden(i)[d] = static_cast<double>(set_vector[d]);
  }

  // As SlotScorer::score.
  [[gnu::hot, gnu::noinline]] void score(int64_t i, const OpenSlot& open, const int16_t* candidates,
                                         int size, T* logits) {
    catch_up(i, open);
    const QueryParameters<T> parameters = {weights_, inputs_.attention_layout(), inputs_.weights,
                                           inputs_.attention_of(sequences_[i].request)};
    find_query(i, open, parameters);
    for (int j = 0; j < size; ++j) {
      const double* own = key(i, candidates[j]);
      for (int64_t h = 0; h < H(); ++h) sums_[h] = own[h] + query_[h];
      const uint32_t bits = context_class(open.attributes, open.prefix, open.request.num_groups,
                                          open.slot, open.window, candidates[j]);
      for_each_feature<double>(open.prefix, parameters.attention_layout, bits,
                               [&](int64_t feature, double value) {
                                 add_scaled(parameters.row(feature), value, H(), sums_);
                               });
      for (int64_t h = 0; h < H(); ++h) x_[j * H() + h] = static_cast<T>(sums_[h]);
    }
    Scorer<S>::directly(x_, parameters.row(parameters.attention_layout.v()), H(), size, logits);
  }

 private:
  struct Sequence {
    int64_t request;
    int slots;        // that `hidden` has seen
    int last_placed;  // in them; -1: none
  };

  int64_t D() const { return weights_.width; }
  int64_t H() const { return weights_.attention_width; }
  double* key(int64_t i, int64_t m) { return keys_ + (i * inputs_.num_candidates + m) * H(); }
  double* hidden(int64_t i) { return hidden_ + i * D(); }
  const T* candidate(int64_t i, int64_t m) const {
    return inputs_.candidates + (sequences_[i].request * inputs_.num_candidates + m) * D();
  }

  // hidden = h of the open slot. Nobody asked for those of pinned slots, nor for those of the slots
  // before the tables' range was left.
  void catch_up(int64_t i, const OpenSlot& open) {
    Sequence& sequence = sequences_[i];
    for (; sequence.slots <= open.slot; ++sequence.slots) {
      const int placed = sequence.slots == 0 ? -1 : open.occupant[sequence.slots - 1];
      if (placed >= 0) sequence.last_placed = placed;
      advance(sequence.last_placed < 0 ? inputs_.weights + weights_.start()
                                       : candidate(i, sequence.last_placed),
              hidden(i));
    }
  }

  // One step of torch.nn.GRUCell.
  void advance(const T* input, double* hidden) {
    const int64_t width = D();
    clear(3 * width, input_gates_);
    add_scaled(inputs_.weights + weights_.b_ih(), 1, 3 * width, input_gates_);
    add_product(input, weights_.w_ih_t(), 3 * width, 3 * width, input_gates_);
    clear(3 * width, state_gates_);
    add_scaled(inputs_.weights + weights_.b_hh(), 1, 3 * width, state_gates_);
    add_product(hidden, weights_.w_hs_t(), weights_.state_columns(), 3 * width, state_gates_);
    for (int64_t d = 0; d < width; ++d) {
      const double r = sigmoid(input_gates_[d] + state_gates_[d]);
      const double z = sigmoid(input_gates_[width + d] + state_gates_[width + d]);
      const double x = input_gates_[2 * width + d] + r * state_gates_[2 * width + d];
      const double n = 2 * sigmoid(2 * x) - 1;  // tanh x
      hidden[d] = n + z * (hidden[d] - n);
    }
  }

  // query = scale * W_s h + W_g g + bias.
  void find_query(int64_t i, const OpenSlot& open, const QueryParameters<T>& parameters) {
    clear(H(), query_);
    add_product(hidden(i), weights_.w_hs_t() + 3 * D(), weights_.state_columns(), H(), query_);
    const T* scale = parameters.row(parameters.attention_layout.scale());
    for (int64_t h = 0; h < H(); ++h) query_[h] *= static_cast<double>(scale[h]);
    add_scaled(parameters.row(parameters.attention_layout.bias()), 1, H(), query_);
    for (int s = 0; s <= open.request.num_flags; ++s) {
      const double term = shared_term<double>(open.prefix, open.request.num_flags, open.slot,
                                              open.request.slots, s);
      add_scaled(parameters.w_g(s), term, H(), query_);
    }
  }

  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

  static void clear(int64_t size, double* sums) {
    __builtin_memset(sums, 0, size * sizeof(double));
  }

  static void add_scaled(const T* x, double scale, int64_t size, double* __restrict__ sums) {
    for (int64_t i = 0; i < size; ++i) sums[i] += scale * static_cast<double>(x[i]);
  }

  // sums[j] += sum_k x[k] * w[k, j] for the D rows of the weights at `offset`, `stride` apart.
  template <typename value_t>
  void add_product(const value_t* x, int64_t offset, int64_t stride, int64_t columns,
                   double* __restrict__ sums) const {
    const T* w = inputs_.weights + offset;
    int64_t k = 0;
    for (; k + 4 <= D(); k += 4, w += 4 * stride) {
      const double x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
      for (int64_t j = 0; j < columns; ++j) {
        sums[j] +=
            (x0 * w[j] + x1 * w[stride + j]) + (x2 * w[2 * stride + j] + x3 * w[3 * stride + j]);
      }
    }
    for (; k < D(); ++k, w += stride) add_scaled(w, static_cast<double>(x[k]), columns, sums);
  }

  const DecoderView<T>& inputs_;
  const WeightLayout weights_;
  Sequence* sequences_;  // [block]
  double* keys_;         // [block, M, H]
  double* hidden_;       // [block, D]
  double* input_gates_;  // [3D]
  double* state_gates_;  // [3D]
  double* query_;        // [H]
  double* sums_;         // [H]
  T* x_;                 // [M, H]
};

}  // namespace
}  // namespace gerank::cpu
