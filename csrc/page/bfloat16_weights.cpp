#include "bfloat16_weights.h"

#include <algorithm>
#include <array>

#include "../decode/weights.h"
#include "../kernels/instruction_set.h"
#include "../kernels/tasks.h"
#include "page_model.h"

namespace gerank::page {
namespace {

// A matrix to be packed: `offset` numbers behind the beginning of its section.
struct PackedMatrix {
  Section section;
  int64_t offset, depth, columns;
};

std::array<PackedMatrix, 9> packed_matrices(const PageHeader& h) {
  const int64_t D = h.width, H = h.attention_width;
  const WeightLayout decoder = {D, H, h.flags};
  return {{{kCandidateFirst, 0, h.candidate_width(), 3 * D},
           {kUserFirst, 0, h.user_width(), 3 * D},
           {kProduct, 0, D, 2 * D},
           {kItem, 0, 2 * D, D},
           {kSetHidden, 0, D, D},
           {kSetOut, 0, D, D},
           {kDecoder, decoder.w_ih_t(), D, 3 * D},
           {kDecoder, decoder.w_hs_t(), D, decoder.state_columns()},
           {kDecoder, decoder.w_e_t(), D, H}}};
}

// Words for a section that ends with this matrix.
int64_t words(const PackedMatrix& matrix) { return matrix.offset + matrix.depth * matrix.columns; }

}  // namespace

bool Bfloat16Weights::can_be_used() { return cpu::bfloat16_kernels() != nullptr; }

Bfloat16Weights::Bfloat16Weights(const PageModel& model) {
  const auto matrices = packed_matrices(model.sizes());
  int64_t needed[kSections] = {};
  for (const PackedMatrix& matrix : matrices) {
    needed[matrix.section] = std::max(needed[matrix.section], words(matrix));
  }
  const auto lay_out = [&](std::byte* memory) {
    cpu::Arena arena(memory);
    for (int section = 0; section < kSections; ++section) {
      if (needed[section] > 0) sections_[section] = arena.take<uint32_t>(needed[section]);
    }
    return arena.used();
  };
  memory_ = cpu::aligned_memory(lay_out(nullptr));
  lay_out(memory_.get());
  for (const PackedMatrix& matrix : matrices) {
    const float* values = model.section<float>(matrix.section) + matrix.offset;
    if (matrix.depth == 0) continue;
    cpu::bfloat16_kernels()->pack(values, matrix.depth, matrix.columns,
                                  sections_[matrix.section] + matrix.offset);
  }
}

}  // namespace gerank::page
