// How many threads one forward pass may use.
#pragma once

#include <gerank/export.h>

#include <cstdint>
#include <functional>

namespace gerank {

// What a pass on the calling thread may use: EngineOptions::intra_op_threads on a worker, 0 where
// nobody has said.
GERANK_EXPORT int pass_threads() noexcept;
void set_pass_threads(int threads) noexcept;

// Calls `work(i)` for every i in [0, count), on at most `threads` threads, of which the calling one
// is the first. Throws what `work` throws.
void share_out(std::int64_t count, int threads, const std::function<void(std::int64_t)>& work);

}  // namespace gerank
