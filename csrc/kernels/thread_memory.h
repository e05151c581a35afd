// Memory that a thread keeps from call to call: a fresh large allocation costs its page faults.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spare_memory.h"

namespace gerank::cpu {

// `size` bytes for an Arena; what the thread got before is theirs no longer.
inline std::byte* thread_memory(int64_t size) {
  static thread_local AlignedMemory memory;
  static thread_local int64_t capacity = 0;
  if (size > capacity) {
    memory.reset();
    capacity = 0;
    memory = aligned_memory(size);
    capacity = size;
  }
  return memory.get();
}

}  // namespace gerank::cpu
