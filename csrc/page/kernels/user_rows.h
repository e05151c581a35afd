// What is computed once per user: the user's vector, its half of the first layer, and what the
// weights of the request make of the policy.
#pragma once

#include <cstdint>

#include "../../kernels/set_standing.h"
#include "../../kernels/tasks.h"
#include "embeddings.h"
#include "layer.h"
#include "page_task.h"

namespace gerank::cpu {
namespace {

template <typename S>
class UserRows {
 public:
  using T = typename S::scalar_t;

  UserRows(const PageTask& task, int64_t block, Arena& arena)
      : task_(task),
        model_(task.model),
        sizes_(task.model.sizes()),
        embeddings_(model_.section<page::IdColumn>(page::kUserColumns),
                    model_.section<page::IdUnit>(page::kUserUnits),
                    model_.section<int64_t>(page::kUserUnitColumns), sizes_.user_units,
                    model_.section<T>(page::kUserTable), sizes_.embedding_width),
        product_(most(sizes_.user_width(), sizes_.utilities + sizes_.control_hidden), arena),
        inputs_(rows(block, sizes_.user_width(), arena)),
        first_(rows(block, 3 * sizes_.width, arena)),
        weights_(rows(block, sizes_.utilities + sizes_.control_hidden, arena)),
        hidden_(rows(block, sizes_.control_hidden, arena)),
        head_(rows(block, sizes_.has_head() ? sizes_.attention_size() + sizes_.width : 0, arena)) {}

  void load(Block block) {
    for (int64_t i = 0; i < block.count; ++i) describe(block.first + i, i);
    const Layer<S> first = layer(page::kUserFirst, sizes_.user_width(), first_.stride);
    first(product_, constant(inputs_), block.count, first_);
    if (sizes_.has_head()) generate(block.count);
  }

  const Embeddings<S>& embeddings() const { return embeddings_; }

  // [3D] what the user adds to the candidates' first layer: a factor [D], and to the hidden layer.
  T* first(int64_t i) const { return first_[i]; }

  // The attention parameters of the requests, `attention_stride` apart; 0: all share them.
  const T* attention() const {
    return sizes_.has_head() ? head_.first : model_.section<T>(page::kAttentionRows);
  }
  int64_t attention_stride() const { return sizes_.has_head() ? head_.stride : 0; }

  // [D] to the set's vector; nullptr: nothing.
  const T* set_term(int64_t i) const {
    return sizes_.has_head() ? head_[i] + sizes_.attention_size() : nullptr;
  }

 private:
  static Rows<T> rows(int64_t count, int64_t width, Arena& arena) {
    return {arena.take<T>(count * width), width};
  }
  static Rows<const T> constant(Rows<T> rows) { return {rows.first, rows.stride}; }

  static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

  Layer<S> layer(page::Section which, int64_t inputs, int64_t outputs) const {
    return {task_, which, inputs, outputs};
  }

  void describe(int64_t b, int64_t i) const {
    const int64_t dense = sizes_.user_dense;
    const T* given = task_.batch.user_dense + b * dense;
    const T* mean = model_.section<T>(page::kUserMean);
    const T* deviation = model_.section<T>(page::kUserDeviation);
    T* row = inputs_[i];
    for_each_vector<S>(dense, [&](auto load, auto store) {
      store(row, standardised<S>(load(given), load(mean), load(deviation)));
    });
    embeddings_.pool(task_.batch.user_ids + b * sizes_.user_ids, true, row + dense);
    scale_weights(
        b, sizes_.control == page::kInput ? row + inputs_.stride - sizes_.utilities : weights_[i]);
  }

  // To -1..1 over their ranges.
  void scale_weights(int64_t b, T* out) const {
    if (sizes_.control == page::kNoControl) return;
    const int64_t U = sizes_.utilities;
    const T* given = task_.batch.weights + b * U;
    const T* middle = model_.section<T>(page::kWeightMiddle);
    const T* reach = model_.section<T>(page::kWeightReach);
    for_each_vector<S>(U, [&](auto load, auto store) {
      store(out, S::div(S::sub(load(given), load(middle)), load(reach)));
    });
  }

  // Attention parameters and set terms from the weights; a hypernetwork's hidden layer stands
  // behind them.
  void generate(int64_t count) const {
    const int64_t U = sizes_.utilities;
    if (sizes_.control == page::kHypernetwork) {
      const int64_t wide = sizes_.control_hidden;
      const Rows<T> second = {weights_.first + U, weights_.stride};
      layer(page::kControlInput, U, wide)(product_, constant(weights_), count, hidden_);
      rectify<S>(hidden_.first, count * wide);
      layer(page::kControlHidden, wide, wide)(product_, constant(hidden_), count, second);
      for (int64_t i = 0; i < count; ++i) rectify<S>(second[i], wide);
    }
    const Layer<S> head = layer(page::kControlHead, weights_.stride, head_.stride);
    head(product_, constant(weights_), count, head_);
  }

  const PageTask& task_;
  const page::PageModel& model_;
  const page::PageHeader& sizes_;
  const Embeddings<S> embeddings_;
  const MatrixProduct<S> product_;
  const Rows<T> inputs_;   // [block, Xu]
  const Rows<T> first_;    // [block, 3D]
  const Rows<T> weights_;  // [block, U + hidden]
  const Rows<T> hidden_;   // [block, hidden]
  const Rows<T> head_;     // [block, attention + D]
};

}  // namespace
}  // namespace gerank::cpu
