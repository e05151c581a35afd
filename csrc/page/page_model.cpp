#include "page_model.h"

#include "../kernels/block_size.h"
#include "../kernels/instruction_set.h"
#include "../kernels/thread_memory.h"

namespace gerank::page {
namespace {

void rank(const cpu::PageKernels& kernels, const cpu::PageTask& task, int64_t first, int64_t end,
          int64_t block) {
  std::byte* memory = cpu::thread_memory(kernels.memory(task, block));
  kernels.rank(task, block, first, end, memory);
}

}  // namespace

int64_t PageModel::block_size(const PaddedBatch& batch, int threads) const {
  const int64_t keys = batch.M * header_->attention_width * static_cast<int64_t>(sizeof(float));
  return cpu::block_size(batch.B, keys, threads);
}

void PageModel::run(const PaddedBatch& batch, const PaddedAnswer& answer, int64_t first,
                    int64_t end, int64_t block) const {
  rank(cpu::float_kernels().page, {*this, batch, answer}, first, end, block);
}

void PageModel::run(const PaddedBatch& batch, const PaddedAnswer& answer, int64_t first,
                    int64_t end, int64_t block, const Bfloat16Weights& rounded) const {
  rank(cpu::bfloat16_kernels()->page, {*this, batch, answer, &rounded}, first, end, block);
}

}  // namespace gerank::page
