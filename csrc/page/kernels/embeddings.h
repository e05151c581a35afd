// The ids of one side as embeddings: gerank.nn.features.IdEmbedding and gerank.nn.list_pooling.
#pragma once

#include <cstdint>

#include "../../kernels/vector_maths.h"
#include "../page_format.h"

namespace gerank::cpu {
namespace {

template <typename S>
class Embeddings {
 public:
  using T = typename S::scalar_t;

  Embeddings(const page::IdColumn* columns, const page::IdUnit* units, const int64_t* unit_columns,
             int64_t unit_count, const T* table, int64_t width)
      : columns_(columns),
        units_(units),
        unit_columns_(unit_columns),
        unit_count_(unit_count),
        table_(table),
        width_(width) {}

  int64_t unit_count() const { return unit_count_; }
  const page::IdUnit& unit(int64_t u) const { return units_[u]; }
  const int64_t* unit_columns(int64_t u) const { return unit_columns_ + units_[u].first; }

  // The embedding [W] of an id.
  const T* row(int64_t column, int64_t id) const {
    const page::IdColumn& place = columns_[column];
    return table_ + (place.first + (place.hashed ? bucket(id, place.rows) : id)) * width_;
  }

  // The embeddings of all units, [units * W], lists with attention pooled by mean or left 0.
  void pool(const int64_t* ids, bool with_attention, T* out) const {
    for (int64_t u = 0; u < unit_count_; ++u, out += width_) {
      const page::IdUnit& unit = units_[u];
      if (unit.pool == page::kNoList) {
        const int64_t column = unit_columns(u)[0];
        copy(row(column, ids[column]), out);
      } else if (unit.pool == page::kAttention && !with_attention) {
        clear(out);
      } else {
        add_up(u, ids, out);
      }
    }
  }

  // Calls `visit(row)` for the embedding of each entry that a list has.
  template <typename Visit>
  void for_each_entry(int64_t u, const int64_t* ids, Visit visit) const {
    const page::IdUnit& unit = units_[u];
    for (int64_t i = 0; i < unit.columns; ++i) {
      const int64_t column = unit_columns(u)[i];
      if (ids[column] != unit.empty) visit(row(column, ids[column]));
    }
  }

  void clear(T* out) const {
    for_each_vector<S>(width_, [&](auto, auto store) { store(out, S::set(0)); });
  }

 private:
  // Ids that share low bits fall into buckets of their own.
  static int64_t bucket(int64_t id, int64_t rows) {
    constexpr uint64_t kMix = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
    const auto bits = static_cast<uint32_t>((static_cast<uint64_t>(id) * kMix) >> 33);
    return bits % static_cast<uint32_t>(rows);
  }

  void copy(const T* from, T* out) const {
    for_each_vector<S>(width_, [&](auto load, auto store) { store(out, load(from)); });
  }

  // The sum or the mean of a list's entries; 0 where it has none.
  void add_up(int64_t u, const int64_t* ids, T* out) const {
    int count = 0;
    if (units_[u].pool != page::kSum) {
      for_each_entry(u, ids, [&](const T*) { ++count; });
    }
    const T share = T(1) / static_cast<T>(count > 1 ? count : 1);
    clear(out);
    for_each_entry(u, ids,
                   [&](const T* entry) { VectorMaths<S>::add_scaled(entry, share, width_, out); });
  }

  const page::IdColumn* columns_;
  const page::IdUnit* units_;
  const int64_t* unit_columns_;
  int64_t unit_count_;
  const T* table_;
  int64_t width_;
};

}  // namespace
}  // namespace gerank::cpu
