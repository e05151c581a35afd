// The candidates of one request as rows of numbers: gerank.nn.features.FeatureEncoder.candidates,
// without padding.
#pragma once

#include <cstdint>

#include "../../kernels/set_standing.h"
#include "../../kernels/tasks.h"
#include "embeddings.h"
#include "layer.h"
#include "list_attention.h"
#include "page_task.h"
#include "score_maps.h"

namespace gerank::cpu {
namespace {

template <typename S>
class CandidateRows {
 public:
  using T = typename S::scalar_t;

  // `users` are the embeddings of the user's side.
  CandidateRows(const PageTask& task, const Embeddings<S>& users, Arena& arena)
      : task_(task),
        model_(task.model),
        sizes_(task.model.sizes()),
        users_(users),
        embeddings_(model_.section<page::IdColumn>(page::kCandidateColumns),
                    model_.section<page::IdUnit>(page::kCandidateUnits),
                    model_.section<int64_t>(page::kCandidateUnitColumns), sizes_.candidate_units,
                    model_.section<T>(page::kCandidateTable), sizes_.embedding_width),
        at_(arena.take<int32_t>(task.batch.M)),
        values_(arena.take<T>(takes_over() ? task.batch.M * sizes_.candidate_dense : 0)),
        rows_{arena.take<T>(task.batch.M * sizes_.candidate_width()), sizes_.candidate_width()},
        queries_{arena.take<T>(task.batch.M * sizes_.query_width()), sizes_.query_width()},
        standing_(task.batch.M, arena),
        views_{arena.take<T>(sizes_.context), arena.take<T>(sizes_.context),
               arena.take<T>(sizes_.context)},
        clipped_(arena.take<int32_t>(sizes_.context)),
        attention_(sizes_.query_width() > 0 ? sizes_.user_ids + sizes_.candidate_ids : 0,
                   sizes_.embedding_width, arena) {}

  void load(int64_t b) {
    const int64_t M = task_.batch.M;
    count_ = list_real(task_.batch.candidate_mask + b * M, M, at_);
    place_in_set(b);
    for (int i = 0; i < count_; ++i) {
      embeddings_.pool(ids(b, i), false, rows_[i] + sizes_.dense_width());
    }
    if (sizes_.query_width() > 0 && count_ > 0) attend(b);
  }

  // Whether a value in context and its z-score stand in the rows as one number, at the value's
  // place; see Standing::Views. The place of the z-scores then begins with the values of the
  // `clipped` columns, which are cut off.
  bool folded() const { return folded_; }
  const typename Standing<S>::Views& views() const { return views_; }
  const int32_t* clipped() const { return clipped_; }
  int clipped_count() const { return clipped_count_; }

  int count() const { return count_; }
  int at(int i) const { return at_[i]; }                              // place in the request
  Rows<const T> rows() const { return {rows_.first, rows_.stride}; }  // [count, X]

 private:
  // The smallest set for which the first layer's weights are folded.
  static constexpr int kFolded = 8;

  // Whether values must be copied, into another order or through maps.
  bool takes_over() const { return sizes_.maps > 0 || sizes_.context < sizes_.candidate_dense; }

  const int64_t* ids(int64_t b, int i) const {
    return task_.batch.candidate_ids + (b * task_.batch.M + at_[i]) * sizes_.candidate_ids;
  }

  void place_in_set(int64_t b) {
    const int64_t F = sizes_.candidate_dense, C = sizes_.context;
    const T* mean = model_.section<T>(page::kCandidateMean);
    const T* deviation = model_.section<T>(page::kCandidateDeviation);
    const T* values = task_.batch.candidate_dense + b * task_.batch.M * F;
    if (takes_over()) values = take_over(values);
    const StandingRows<T> set = {values, F, at_, count_, mean, deviation};
    const auto out = [&](int i) { return rows_[i]; };
    folded_ = sizes_.query_width() == 0 && C > 0 && count_ >= kFolded;
    if (folded_) {
      standing_.describe_once(set, C, 2 * C, out, views_);
      clip(set);
    } else {
      standing_.describe(set, C, 2 * C, C, out);
    }
    for (int i = 0; i < count_; ++i) {
      const T* own = values + at_[i] * F + C;
      T* out = rows_[i] + 3 * C;
      for_each_vector<S>(F - C, [&](auto load, auto store) {
        store(out, standardised<S>(load(own), load(mean + C), load(deviation + C)));
      });
    }
  }

  void clip(const StandingRows<T>& set) {
    const int64_t C = sizes_.context;
    clipped_count_ = 0;
    for (int64_t c = 0; c < C; ++c) {
      if (views_.furthest[c] <= 6) continue;
      for (int i = 0; i < count_; ++i) {
        const T steps = (set.values[at_[i] * set.stride + c] - set.mean[c]) / set.deviation[c];
        rows_[i][C + clipped_count_] = steps > 6 ? T(6) : steps < -6 ? T(-6) : steps;
      }
      clipped_[clipped_count_++] = static_cast<int32_t>(c);
    }
  }

  // Real candidates' values, at their places, in the order of the model and mapped.
  const T* take_over(const T* given) {
    const int64_t F = sizes_.candidate_dense;
    const int64_t* columns = model_.section<int64_t>(page::kDenseColumns);
    const int64_t* mapped = model_.section<int64_t>(page::kMapColumns);
    for (int i = 0; i < count_; ++i) {
      T* row = values_ + at_[i] * F;
      for (int64_t f = 0; f < F; ++f) row[f] = given[at_[i] * F + columns[f]];
    }
    for (int64_t s = 0; s < sizes_.maps; ++s) {
      const ScoreMap<T> map = score_map<T>(model_, s);
      for (int i = 0; i < count_; ++i) {
        T& score = values_[at_[i] * F + mapped[s]];
        score = map(score);
      }
    }
    return values_;
  }

  // Candidates' own lists with attention, then the user's. Their queries see what the rows hold of
  // the candidates so far: the columns of own lists are 0 in the queries' matrix.
  void attend(int64_t b) {
    const int64_t W = sizes_.embedding_width, width = sizes_.query_width();
    Product<S>::multiply(rows_.first, rows_.stride, count_, sizes_.own_width(),
                         model_.section<T>(page::kListQueries), width, width, nullptr,
                         queries_.first, width);
    int64_t query = 0;
    for (int64_t u = 0; u < embeddings_.unit_count(); ++u) {
      if (embeddings_.unit(u).pool != page::kAttention) continue;
      for (int i = 0; i < count_; ++i) {
        take_entries(embeddings_, u, ids(b, i));
        attention_.pool(queries_[i] + query, rows_[i] + sizes_.dense_width() + u * W);
      }
      query += W;
    }
    T* out = rows_.first + sizes_.own_width();
    for (int64_t u = 0; u < users_.unit_count(); ++u) {
      if (users_.unit(u).pool != page::kAttention) continue;
      take_entries(users_, u, task_.batch.user_ids + b * sizes_.user_ids);
      for (int i = 0; i < count_; ++i) attention_.pool(queries_[i] + query, out + i * rows_.stride);
      query += W;
      out += W;
    }
  }

  void take_entries(const Embeddings<S>& side, int64_t unit, const int64_t* ids) {
    attention_.begin();
    side.for_each_entry(unit, ids, [&](const T* entry) { attention_.add(entry); });
  }

  const PageTask& task_;
  const page::PageModel& model_;
  const page::PageHeader& sizes_;
  const Embeddings<S>& users_;
  const Embeddings<S> embeddings_;
  int count_ = 0;
  int clipped_count_ = 0;
  bool folded_ = false;
  int32_t* at_;            // [M] the real candidates
  T* values_;              // [M, F]
  const Rows<T> rows_;     // [M, X]
  const Rows<T> queries_;  // [M, lists * W]
  Standing<S> standing_;
  const typename Standing<S>::Views views_;  // [C]
  int32_t* clipped_;                         // [C]
  ListAttention<S> attention_;
};

}  // namespace
}  // namespace gerank::cpu
