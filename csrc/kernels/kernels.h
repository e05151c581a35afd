// The decode kernels of one instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../page/kernels/page_task.h"
#include "step_task.h"
#include "tasks.h"

namespace gerank::cpu {

// A whole page, see page/page_model.h: bytes of memory, aligned to 64, for `block` requests at a
// time, and the answers to the requests [first, end).
struct PageKernels {
  int64_t (*memory)(const PageTask& task, int64_t block);
  void (*rank)(const PageTask& task, int64_t block, int64_t first, int64_t end, std::byte* memory);
};

// The same with products of bfloat16.
struct Bfloat16Kernels {
  PageKernels page;

  // Packs a matrix [depth, columns] of float32 into [(depth + 1) / 2, columns] words of two rows
  // each, the first one in the low half, rounded to the nearest.
  void (*pack)(const float* matrix, int64_t depth, int64_t columns, uint32_t* out);
};

template <typename scalar_t>
struct Kernels {
  // Bytes of memory, aligned to 64, that a kernel needs to work on `block` requests at a time.
  int64_t (*decode_memory)(const DecodeTask<scalar_t>& task, int64_t block);
  int64_t (*walk_memory)(const TeacherTask<scalar_t>& task, int64_t block);

  int64_t (*gradient_memory)(const GradientTask<scalar_t>& task, int64_t block);

  // Fill the outputs of the requests [first, end), `block` at a time.
  void (*decode)(const DecodeTask<scalar_t>& task, int64_t block, int64_t first, int64_t end,
                 std::byte* memory);
  void (*walk)(const TeacherTask<scalar_t>& task, int64_t block, int64_t first, int64_t end,
               std::byte* memory);

  // Also adds to the gradients of the packed weights [P] and of a shared attention [C + 3, H].
  void (*gradient)(const GradientTask<scalar_t>& task, int64_t block, int64_t first, int64_t end,
                   std::byte* memory, scalar_t* grad_weights, scalar_t* grad_attention);

  // A decode slot by slot: `begin_slot_by_slot` makes one of `block` in `memory`, where it lives
  // from then on; the others find it there. The task outlives it.
  int64_t (*slot_by_slot_memory)(const SlotBySlotTask<scalar_t>& task, Block block);
  void (*begin_slot_by_slot)(const SlotBySlotTask<scalar_t>& task, Block block, std::byte* memory);
  void (*begin_slate)(std::byte* memory);
  void (*score_slot)(std::byte* memory, int slot, scalar_t* logits, int64_t* relaxed);
  void (*fill_slot)(std::byte* memory, const SlotFill<scalar_t>& fill);

  // pointer_step, its backward, set_features and encode_set, for the requests [first, end); memory
  // as above.
  int64_t (*step_memory)(const StepTask<scalar_t>& task);
  int64_t (*step_gradient_memory)(const StepGradientTask<scalar_t>& task);
  void (*step)(const StepTask<scalar_t>& task, int64_t first, int64_t end, std::byte* memory);
  void (*step_gradient)(const StepGradientTask<scalar_t>& task, int64_t first, int64_t end,
                        std::byte* memory);
  int64_t (*set_memory)(const SetTask<scalar_t>& task);
  void (*set_features)(const SetTask<scalar_t>& task, int64_t first, int64_t end,
                       std::byte* memory);
  int64_t (*encode_memory)(const EncodeTask<scalar_t>& task);
  void (*encode_set)(const EncodeTask<scalar_t>& task, int64_t first, int64_t end,
                     std::byte* memory);

  PageKernels page;  // float32 alone has it
};

// One table per instruction set, in kernels_*.cpp.
extern const Kernels<float> kAvx512Kernels;
extern const Kernels<float> kAvx2Kernels;
extern const Kernels<float> kPlainKernels;
extern const Kernels<double> kPlainDoubleKernels;
extern const Bfloat16Kernels kAvx512Bf16Kernels;

}  // namespace gerank::cpu
