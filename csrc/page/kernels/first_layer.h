// The first layer over the candidates of one request.
#pragma once

#include <cstdint>

#include "../../kernels/tasks.h"
#include "candidate_rows.h"
#include "layer.h"
#include "page_task.h"

namespace gerank::cpu {
namespace {

// A standardised value and its z-score in the set are affine in one number, so that for one request
// one row of weights does for both: a quarter of the layer's arithmetic less, for one pass over a
// part of its weights.
template <typename S>
class FirstLayer {
 public:
  using T = typename S::scalar_t;

  FirstLayer(const PageTask& task, Arena& arena)
      : context_(task.model.sizes().context),
        inputs_(task.model.sizes().candidate_width()),
        outputs_(3 * task.model.sizes().width),
        weights_(section_matrix<S>(task, page::kCandidateFirst, outputs_)),
        product_(inputs_, arena),
        folded_(arena.take<T>((weights_.pairs == nullptr ? context_ : 2) * outputs_)),
        pairs_(weights_.pairs == nullptr ? nullptr
                                         : arena.take<uint32_t>((context_ + 1) / 2 * outputs_)),
        clipped_(arena.take<T>(context_ * outputs_)) {}

  // out [count, 3D] = the candidates' rows through the layer; `bias` [3D] is the request's own, and
  // is lost.
  void apply(const CandidateRows<S>& candidates, T* bias, T* out) const {
    const Rows<const T> x = candidates.rows();
    const int count = candidates.count();
    if (!candidates.folded()) {
      product_.multiply(x.first, x.stride, count, inputs_, weights_, outputs_, bias, out, outputs_);
      return;
    }
    fold(candidates, bias);
    const int64_t C = context_, clipped = candidates.clipped_count();
    product_.multiply(x.first, x.stride, count, C, {folded_, outputs_, pairs_}, outputs_, bias, out,
                      outputs_);
    product_.accumulate(x.first + 2 * C, x.stride, count, inputs_ - 2 * C,
                        weights_.rows_from(2 * C), outputs_, out, outputs_);
    if (clipped == 0) return;
    Product<S>::accumulate(x.first + C, x.stride, count, clipped, clipped_, outputs_, outputs_, out,
                           outputs_);
  }

 private:
  // One row of weights for both views of each column. Values that are cut off keep their own.
  void fold(const CandidateRows<S>& candidates, T* bias) const {
    int clipped = 0;
    for (int64_t c = 0; c < context_; ++c) {
      const bool is_clipped =
          clipped < candidates.clipped_count() && candidates.clipped()[clipped] == c;
      T* folded = folded_ + (weights_.pairs == nullptr ? c : c % 2) * outputs_;
      if (is_clipped) {
        keep_own(candidates, c, clipped++, folded);
      } else {
        fold_column(candidates, c, bias, folded);
      }
      if constexpr (HasPairs<S>) pack(c);
    }
  }

  void fold_column(const CandidateRows<S>& candidates, int64_t c, T* bias, T* folded) const {
    const T* value = weights_.values + c * outputs_;
    const T* zscore = value + context_ * outputs_;
    const auto scale = S::set(candidates.views().scale[c]);
    const auto shift = S::set(candidates.views().shift[c]);
    for_each_vector<S>(outputs_, [&](auto load, auto store) {
      store(bias, S::fma(shift, load(value), load(bias)));
      store(folded, S::fma(scale, load(zscore), load(value)));
    });
  }

  void keep_own(const CandidateRows<S>& candidates, int64_t c, int clipped, T* folded) const {
    const T* value = weights_.values + c * outputs_;
    const T* zscore = value + context_ * outputs_;
    const auto scale = S::set(candidates.views().scale[c]);
    __builtin_memcpy(clipped_ + clipped * outputs_, value, outputs_ * sizeof(T));
    for_each_vector<S>(outputs_,
                       [&](auto load, auto store) { store(folded, S::mul(scale, load(zscore))); });
  }

  // Two folded rows, once the second or the last one is there, as a row of words.
  void pack(int64_t c) const {
    if (weights_.pairs == nullptr || (c % 2 == 0 && c + 1 < context_)) return;
    const T* second = c % 2 == 1 ? folded_ + outputs_ : nullptr;
    uint32_t* out = pairs_ + c / 2 * outputs_;
    for_each_vector<S>(outputs_, [&](auto load, auto store) {
      store(out, S::pack(load(folded_), second == nullptr ? S::set(0) : load(second)));
    });
  }

  const int64_t context_;    // C
  const int64_t inputs_;     // X
  const int64_t outputs_;    // 3D
  const Matrix<T> weights_;  // [X, 3D]
  const MatrixProduct<S> product_;
  T* folded_;        // [C, 3D], or the two rows that are packed next
  uint32_t* pairs_;  // [(C + 1) / 2, 3D]; nullptr: `folded_` counts
  T* clipped_;       // [C, 3D], in float32
};

}  // namespace
}  // namespace gerank::cpu
