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
        weights_(task.model.section<T>(page::kCandidateFirst)),
        folded_(arena.take<T>(context_ * outputs_)),
        clipped_(arena.take<T>(context_ * outputs_)) {}

  // out [count, 3D] = the candidates' rows through the layer; `bias` [3D] is the request's own, and
  // is lost.
  void apply(const CandidateRows<S>& candidates, T* bias, T* out) const {
    const Rows<const T> x = candidates.rows();
    const int count = candidates.count();
    if (!candidates.folded()) {
      Product<S>::multiply(x.first, x.stride, count, inputs_, weights_, outputs_, outputs_, bias,
                           out, outputs_);
      return;
    }
    fold(candidates, bias);
    const int64_t C = context_, clipped = candidates.clipped_count();
    Product<S>::multiply(x.first, x.stride, count, C, folded_, outputs_, outputs_, bias, out,
                         outputs_);
    Product<S>::accumulate(x.first + 2 * C, x.stride, count, inputs_ - 2 * C,
                           weights_ + 2 * C * outputs_, outputs_, outputs_, out, outputs_);
    if (clipped == 0) return;
    Product<S>::accumulate(x.first + C, x.stride, count, clipped, clipped_, outputs_, outputs_, out,
                           outputs_);
  }

 private:
  // One row of weights for both views of each column. Values that are cut off keep their own.
  void fold(const CandidateRows<S>& candidates, T* bias) const {
    const auto& views = candidates.views();
    int clipped = 0;
    for (int64_t c = 0; c < context_; ++c) {
      const T* value = weights_ + c * outputs_;
      const T* zscore = value + context_ * outputs_;
      T* folded = folded_ + c * outputs_;
      const auto scale = S::set(views.scale[c]), shift = S::set(views.shift[c]);
      if (clipped < candidates.clipped_count() && candidates.clipped()[clipped] == c) {
        __builtin_memcpy(clipped_ + clipped++ * outputs_, value, outputs_ * sizeof(T));
        for_each_vector<S>(
            outputs_, [&](auto load, auto store) { store(folded, S::mul(scale, load(zscore))); });
        continue;
      }
      for_each_vector<S>(outputs_, [&](auto load, auto store) {
        store(bias, S::fma(shift, load(value), load(bias)));
        store(folded, S::fma(scale, load(zscore), load(value)));
      });
    }
  }

  const int64_t context_;  // C
  const int64_t inputs_;   // X
  const int64_t outputs_;  // 3D
  const T* weights_;       // [X, 3D]
  T* folded_;              // [C, 3D]
  T* clipped_;             // [C, 3D]
};

}  // namespace
}  // namespace gerank::cpu
