// What the system says of this process.
#pragma once

#include <cstdint>

namespace gerank::server {

struct ProcessNumbers {
  std::uint64_t open_descriptors = 0, descriptor_limit = 0;
  std::uint64_t resident_bytes = 0, virtual_bytes = 0;
  double cpu_s = 0;         // of all threads
  double start_time_s = 0;  // since 1970
};

// Reads /proc and the clocks. What the system does not tell stays 0.
ProcessNumbers process_numbers();

}  // namespace gerank::server
