// torch's own threads.
#pragma once

namespace gerank {

// How many threads torch may use for one operation that the calling thread starts. Threads that
// never asked get the same.
void set_intra_op_threads(int threads);

}  // namespace gerank
