// The ops, for a C++ program that embeds gerank.
//
// They have no C++ signatures of their own: a program calls them through torch's dispatcher, or
// runs a TorchScript archive that does. The schemas are in csrc/ops/<op>.cpp, their meaning in
// gerank/ops/<op>.py.
#pragma once

#include <gerank/export.h>

#include <string>

namespace gerank {

// Makes sure that torch.ops.gerank.* exist in this process.
//
// The library registers its ops when it is loaded; calling this once, from anywhere, keeps a linker
// that drops unreferenced libraries (--as-needed) from dropping libgerank. Does nothing itself.
// Thread-safe.
GERANK_EXPORT void link_ops() noexcept;

// Empty if the torch in this process is the one that the library was built for; else a sentence
// that names both versions and what to do. Another torch has other symbols and other layouts, and
// may answer wrongly before it fails. Thread-safe.
GERANK_EXPORT std::string torch_mismatch();

// How many threads torch may use for one operation that the calling thread starts, at least 1.
// Other threads, those still to come included, keep what they have: torch's own set_num_threads()
// changes what new threads get. Thread-safe.
GERANK_EXPORT void set_intra_op_threads_here(int threads);

}  // namespace gerank
