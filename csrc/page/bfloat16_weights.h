// The matrices of a page model in bfloat16, packed once, beside the block that has them in float32.
#pragma once

#include <gerank/export.h>

#include <cstddef>
#include <cstdint>

#include "../kernels/spare_memory.h"
#include "page_format.h"

namespace gerank::page {

class PageModel;

// Word [k, j] of a packed matrix holds its rows 2k and 2k + 1 of column j, the former in the low
// half; rows are `columns` words apart. So a packed matrix fits where the matrix itself would lie,
// and those of the decoder keep their offsets. Immutable.
//
// Packed are the layers of the encoder and the decoder; what weights make of the policy, and what
// candidates ask of lists, are little work and stay float32.
class GERANK_EXPORT Bfloat16Weights {
 public:
  // Whether this processor multiplies bfloat16, and GERANK_CPU lets it.
  static bool can_be_used();

  // Rounds the matrices of a model. can_be_used() must hold.
  explicit Bfloat16Weights(const PageModel& model);

  // The words of a section; nullptr where it is not packed.
  GERANK_HOST_DEVICE const uint32_t* section(Section which) const { return sections_[which]; }

 private:
  cpu::AlignedMemory memory_;
  uint32_t* sections_[kSections] = {};
};

}  // namespace gerank::page
