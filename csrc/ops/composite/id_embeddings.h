// The ids of one side of a packed generator as embeddings, by torch's operators:
// gerank.nn.features.IdEmbedding and gerank.nn.list_pooling.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "../../page/page_format.h"

namespace gerank {

// Letters as in page/page_format.h; L is the number of columns of one list. Leading axes are free.
class IdEmbeddings {
 public:
  IdEmbeddings() = default;

  // What the block says of a side; all tensors lie on its device, the units on the host.
  IdEmbeddings(const at::Tensor& columns,       // [I, 3] int64: IdColumn
               const at::Tensor& unit_columns,  // [I] int64
               at::Tensor table,                // [rows, W]
               std::vector<page::IdUnit> units);

  // The embedding of every id: [..., I] -> [..., I, W].
  at::Tensor entries(const at::Tensor& ids) const;

  // One embedding [..., W] per unit. Lists with attention are pooled by mean, or left 0.
  std::vector<at::Tensor> pooled(const at::Tensor& entries, const at::Tensor& ids,
                                 bool with_attention) const;

  const std::vector<page::IdUnit>& units() const { return units_; }

  // The embeddings [..., L, W] of a list among those of all ids, and which of them are entries:
  // [..., L] bool.
  at::Tensor list_entries(const page::IdUnit& list, const at::Tensor& entries) const;
  at::Tensor is_entry(const page::IdUnit& list, const at::Tensor& ids) const;

 private:
  at::Tensor columns_of(const page::IdUnit& unit) const;

  at::Tensor first_, rows_, hashed_;  // [I], of each column
  bool any_hashed_ = false;
  at::Tensor unit_columns_;  // [I] int64
  at::Tensor table_;         // [rows, W]
  std::vector<page::IdUnit> units_;
  std::vector<std::int64_t> column_of_;  // [T] the first column of each unit, on the host
};

// What weighs the entries of a list: a softmax of `scores` [..., L] over those that there are; all
// 0 where there is none.
at::Tensor attention_weights(const at::Tensor& scores, const at::Tensor& is_entry);

}  // namespace gerank
