// Lists whose entries are weighed by what a candidate asks for: gerank.nn.list_pooling and
// gerank.nn.user_lists.
#pragma once

#include <cstdint>

#include "../../kernels/tasks.h"
#include "../../kernels/vector_maths.h"

namespace gerank::cpu {
namespace {

template <typename S>
class ListAttention {
 public:
  using T = typename S::scalar_t;

  // For lists of at most `most` entries, embeddings of `width` numbers.
  ListAttention(int64_t most, int64_t width, Arena& arena)
      : width_(width),
        entries_(arena.take<const T*>(most)),
        weights_(arena.take<T>(most + S::kLanes)) {}

  void begin() { count_ = 0; }
  void add(const T* entry) { entries_[count_++] = entry; }

  // out [W] = the entries, weighed by a softmax of their products with `query` [W]; 0 without any.
  void pool(const T* query, T* out) {
    for_each_vector<S>(width_, [&](auto, auto store) { store(out, S::set(0)); });
    if (count_ == 0) return;
    T most = 0;
    for (int64_t i = 0; i < count_; ++i) {
      vec sum = S::set(0);
      for_each_vector<S>(
          width_, [&](auto load, auto) { sum = S::fma(load(query), load(entries_[i]), sum); });
      weights_[i] = S::sum(sum);
      most = i == 0 || weights_[i] > most ? weights_[i] : most;
    }
    for_each_vector<S>(count_, [&](auto load, auto store) {
      store(weights_, S::exp(S::sub(load(weights_), S::set(most))));
    });
    T total = 0;
    for (int64_t i = 0; i < count_; ++i) total += weights_[i];
    for (int64_t i = 0; i < count_; ++i) {
      VectorMaths<S>::add_scaled(entries_[i], weights_[i] / total, width_, out);
    }
  }

 private:
  using vec = typename S::vec;

  const int64_t width_;
  int64_t count_ = 0;
  const T** entries_;  // [most]
  T* weights_;         // [most]
};

}  // namespace
}  // namespace gerank::cpu
