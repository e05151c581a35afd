#include "id_embeddings.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <utility>

namespace gerank {
namespace {

constexpr std::int64_t kMix = -7046029254386353131;  // 2^64 / golden ratio
constexpr double kNoEntry = -1e9;                    // a score that no entry has

}  // namespace

IdEmbeddings::IdEmbeddings(const at::Tensor& columns, const at::Tensor& unit_columns,
                           at::Tensor table, std::vector<page::IdUnit> units)
    : first_(columns.select(1, 0)),
      rows_(columns.select(1, 1)),
      hashed_(columns.select(1, 2).ne(0)),
      any_hashed_(hashed_.any().item<bool>()),
      unit_columns_(unit_columns),
      table_(std::move(table)),
      units_(std::move(units)) {
  const at::Tensor on_host = unit_columns.cpu();
  const auto* places = on_host.const_data_ptr<std::int64_t>();
  for (const page::IdUnit& unit : units_) {
    TORCH_CHECK(unit.first >= 0 && unit.first < on_host.numel(),
                "gerank::rank_page: page has a unit of ids without columns");
    column_of_.push_back(places[unit.first]);
  }
}

at::Tensor IdEmbeddings::entries(const at::Tensor& ids) const {
  at::Tensor rows = ids;
  if (any_hashed_) {
    const at::Tensor spread = ids.mul(kMix).bitwise_right_shift(33).bitwise_and(0x7FFFFFFF);
    rows = at::where(hashed_, spread.remainder(rows_), ids);
  }
  return at::embedding(table_, rows + first_);
}

std::vector<at::Tensor> IdEmbeddings::pooled(const at::Tensor& entries, const at::Tensor& ids,
                                             bool with_attention) const {
  std::vector<at::Tensor> embedded;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const page::IdUnit& unit = units_[u];
    if (unit.pool == page::kNoList) {
      embedded.push_back(entries.select(-2, column_of_[u]));
      continue;
    }
    const at::Tensor own = list_entries(unit, entries);
    if (unit.pool == page::kAttention && !with_attention) {
      embedded.push_back(at::zeros_like(own.select(-2, 0)));
      continue;
    }
    const at::Tensor real = is_entry(unit, ids);
    const at::Tensor sum = (own * real.unsqueeze(-1)).sum(-2);
    const at::Tensor count = real.sum(-1, true).clamp_min(1);
    embedded.push_back(unit.pool == page::kSum ? sum : sum / count);
  }
  return embedded;
}

at::Tensor IdEmbeddings::columns_of(const page::IdUnit& unit) const {
  return unit_columns_.narrow(0, unit.first, unit.columns);
}

at::Tensor IdEmbeddings::list_entries(const page::IdUnit& list, const at::Tensor& entries) const {
  return entries.index_select(-2, columns_of(list));
}

at::Tensor IdEmbeddings::is_entry(const page::IdUnit& list, const at::Tensor& ids) const {
  return ids.index_select(-1, columns_of(list)).ne(list.empty);
}

at::Tensor attention_weights(const at::Tensor& scores, const at::Tensor& is_entry) {
  return scores.masked_fill(is_entry.logical_not(), kNoEntry).softmax(-1) * is_entry;
}

}  // namespace gerank
