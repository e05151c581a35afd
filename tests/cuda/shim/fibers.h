// What the tests set and ask of the shim.
#pragma once

#include <cstdint>
#include <string>

namespace shim {

// The order in which fibers run follows from this.
void set_schedule(uint64_t seed);

// The barrier at `site`, "block:file.cuh:12", is passed as if it were not there; "" for none.
void skip_barrier(const std::string& site);

// Every barrier met so far, one per line.
const std::string& met_barriers();

// Why the last launch failed.
const std::string& last_error();

}  // namespace shim
