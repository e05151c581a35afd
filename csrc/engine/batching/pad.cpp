// Makes a batch of queries, outside of the engine's own batching.
#include <gerank/contract.h>

#include <string>
#include <vector>

#include "padded_buffers.h"

namespace gerank {

Status PaddedBuffers::check_and_fill(const Contract& contract, std::span<const Query> queries) {
  std::vector<const Query*> pointers;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (Status status = contract.check(queries[i]); !status) {
      return status.within("queries[" + std::to_string(i) + "]");
    }
    pointers.push_back(&queries[i]);
  }
  fill(contract, pointers);
  return {};
}

Status Contract::pad(std::span<const Query> queries,
                     const std::function<void(const PaddedBatch&)>& use) const {
  if (queries.empty()) return {};
  PaddedBuffers buffers;
  if (Status status = buffers.check_and_fill(*this, queries); !status) return status;
  use(buffers.batch());
  return {};
}

}  // namespace gerank
