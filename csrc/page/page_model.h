// A whole page in one pass: from padded requests to slates, without a tensor between. The generator
// is one block of memory, see page_format.h.
#pragma once

#include <gerank/export.h>
#include <gerank/model.h>

#include <cstdint>
#include <string>

#include "page_format.h"

namespace gerank::page {

class Bfloat16Weights;

// It looks at memory that its maker keeps alive and unchanged. Thread-safe.
class GERANK_EXPORT PageModel {
 public:
  // Looks at a block of `bytes`, aligned to 8 bytes or, for speed, to 64. Empty if all is well,
  // else a sentence that names what is wrong: then nothing else may be called.
  std::string look_at(const void* block, int64_t bytes);

  GERANK_HOST_DEVICE const PageHeader& sizes() const { return *header_; }

  template <typename value_t>
  GERANK_HOST_DEVICE const value_t* section(Section which) const {
    return reinterpret_cast<const value_t*>(block_ + header_->sections[which]);
  }

  // Empty if the rules of every request can be decoded, else a sentence.
  static std::string bad_rules(const PaddedBatch& batch);

  // Empty if every id of a real candidate and of a user is one that has a row, else a sentence.
  std::string unknown_id(const PaddedBatch& batch) const;

  // How many requests it works on together, where `threads` share a batch.
  int64_t block_size(const PaddedBatch& batch, int threads) const;

  // Answers the requests [first, end). The answer to a request depends neither on the others nor on
  // the block. The batch has the model's widths and was checked. Allocates only when a thread meets
  // larger requests than before; throws std::bad_alloc where that fails.
  void run(const PaddedBatch& batch, const PaddedAnswer& answer, int64_t first, int64_t end,
           int64_t block) const;

  // The same by products with `rounded`, which was made of this model: rows become bfloat16 as they
  // enter one, sums are float32, and so is everything else.
  void run(const PaddedBatch& batch, const PaddedAnswer& answer, int64_t first, int64_t end,
           int64_t block, const Bfloat16Weights& rounded) const;

  // Answers all, on this thread.
  void run(const PaddedBatch& batch, const PaddedAnswer& answer) const {
    run(batch, answer, 0, batch.B, block_size(batch, 1));
  }

 private:
  const char* block_ = nullptr;
  const PageHeader* header_ = nullptr;
};

}  // namespace gerank::page
