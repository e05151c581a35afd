// DeepSetEncoder over the rows of one request after another, and over the sets of a block.
#pragma once

#include <cmath>
#include <cstdint>

#include "../../kernels/tasks.h"
#include "candidate_rows.h"
#include "first_layer.h"
#include "layer.h"
#include "page_task.h"

namespace gerank::cpu {
namespace {

template <typename S>
class ItemEncoder {
 public:
  using T = typename S::scalar_t;

  ItemEncoder(const PageTask& task, int64_t block, Arena& arena)
      : task_(task),
        model_(task.model),
        candidates_(task.batch.M),
        width_(task.model.sizes().width),
        layer_(task, arena),
        product_(2 * width_, arena),
        bias_(arena.take<T>(3 * width_)),
        first_{arena.take<T>(candidates_ * 3 * width_), 3 * width_},
        encoded_(arena.take<T>(block * candidates_ * width_)),
        sums_{arena.take<T>(block * width_), width_},
        hidden_{arena.take<T>(block * width_), width_},
        sets_{arena.take<T>(block * width_), width_} {}

  // e of request i's candidates; `user` [3D] is what the user adds to the first layer.
  void encode(int64_t i, const CandidateRows<S>& candidates, const T* user) {
    const int64_t D = width_, H = 2 * width_;
    const int count = candidates.count();
    T* encoded = encoded_ + i * candidates_ * D;
    __builtin_memcpy(bias_, model_.section<T>(page::kCandidateBias), D * sizeof(T));
    __builtin_memcpy(bias_ + D, user + D, H * sizeof(T));
    layer_.apply(candidates, bias_, first_.first);
    for (int r = 0; r < count; ++r) {
      T* row = first_[r];
      for_each_vector<S>(D,
                         [&](auto load, auto store) { store(row, S::mul(load(row), load(user))); });
    }
    product_.accumulate(first_.first, 3 * D, count, D, section_matrix<S>(task_, page::kProduct, H),
                        H, first_.first + D, 3 * D);
    for (int r = 0; r < count; ++r) rectify<S>(first_[r] + D, H);
    const Layer<S> out(task_, page::kItem, H, D);
    out(product_, {first_.first + D, 3 * D}, count, {encoded, D});
    add_up(encoded, count, sums_[i]);
    spread_out(candidates, encoded);
  }

  // e_c of the first sets of the block.
  void encode_sets(int64_t count) {
    const Layer<S> hidden(task_, page::kSetHidden, width_, width_);
    const Layer<S> out(task_, page::kSetOut, width_, width_);
    hidden(product_, {sums_.first, width_}, count, hidden_);
    rectify<S>(hidden_.first, count * width_);
    out(product_, {hidden_.first, width_}, count, sets_);
    for_each_vector<S>(count * width_, [&](auto load, auto store) {
      store(sets_.first, VectorMaths<S>::tanh(load(sets_.first)));
    });
  }

  // To a set's vector [D].
  void add_to_set(int64_t i, const T* term) {
    VectorMaths<S>::add_scaled(term, 1, width_, sets_[i]);
  }

  const T* encoded() const { return encoded_; }  // [block, M, D], padding 0
  const T* sets() const { return sets_.first; }  // [block, D]

 private:
  // The sum of the rows over the root of their number.
  void add_up(const T* encoded, int count, T* sum) const {
    const T root = std::sqrt(static_cast<T>(count > 0 ? count : 1));
    __builtin_memset(sum, 0, width_ * sizeof(T));
    for (int r = 0; r < count; ++r)
      VectorMaths<S>::add_scaled(encoded + r * width_, 1, width_, sum);
    for_each_vector<S>(width_,
                       [&](auto load, auto store) { store(sum, S::div(load(sum), S::set(root))); });
  }

  // Moves the rows to the places of their candidates, and clears padding.
  void spread_out(const CandidateRows<S>& candidates, T* encoded) const {
    int64_t m = candidates_;
    for (int r = candidates.count() - 1; r >= -1; --r) {
      const int64_t at = r < 0 ? -1 : candidates.at(r);
      while (--m > at) __builtin_memset(encoded + m * width_, 0, width_ * sizeof(T));
      if (r >= 0 && at != r) {
        __builtin_memcpy(encoded + at * width_, encoded + r * width_, width_ * sizeof(T));
      }
    }
  }

  const PageTask& task_;
  const page::PageModel& model_;
  const int64_t candidates_;  // M
  const int64_t width_;       // D
  const FirstLayer<S> layer_;
  const MatrixProduct<S> product_;
  T* bias_;               // [3D]
  const Rows<T> first_;   // [M, 3D] the candidates' side of the product, and the hidden layer
  T* encoded_;            // [block, M, D]
  const Rows<T> sums_;    // [block, D]
  const Rows<T> hidden_;  // [block, D]
  const Rows<T> sets_;    // [block, D]
};

}  // namespace
}  // namespace gerank::cpu
