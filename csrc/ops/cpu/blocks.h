// How a batch is cut into blocks of requests, and the blocks shared out to threads.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../../kernels/block_size.h"
#include "../../kernels/thread_memory.h"

namespace gerank::cpu {

// Runs `kernel(task, block, first, end, memory)` over all requests. The task's arrays outlive it.
template <typename Task, typename Memory, typename Kernel>
void run_in_blocks(const Task& task, Memory memory_needed, Kernel kernel) {
  const auto& inputs = task.inputs;
  const int64_t batch = inputs.batch;
  if (batch == 0) return;
  const int64_t block =
      block_size(batch, inputs.num_candidates * inputs.attention_width * 4, at::get_num_threads());
  const int64_t memory = memory_needed(task, block);
  if (batch <= block) return kernel(task, block, 0, batch, thread_memory(memory));
  at::parallel_for(0, (batch + block - 1) / block, 1, [&](int64_t begin, int64_t end) {
    kernel(task, block, begin * block, std::min(end * block, batch), thread_memory(memory));
  });
}

// Runs `kernel(task, first, end, memory)` over requests that have nothing in common. The task's
// arrays outlive it.
template <typename Task, typename Memory, typename Kernel>
void run_one_by_one(const Task& task, int64_t batch, Memory memory_needed, Kernel kernel) {
  constexpr int64_t kLeast = 4;  // requests that are worth a thread
  const int64_t memory = memory_needed(task);
  at::parallel_for(0, batch, kLeast, [&](int64_t begin, int64_t end) {
    kernel(task, begin, end, thread_memory(memory));
  });
}

}  // namespace gerank::cpu
