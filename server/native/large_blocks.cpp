#include <malloc.h>

#include "server.h"

// By itself glibc would learn from the first large block to keep those that follow, and
// malloc_trim() leaves the end of a thread's heap alone.
void gerank_server_keep_no_large_blocks() {
#ifdef __GLIBC__
  constexpr int kLarge = 4 << 20;
  mallopt(M_MMAP_THRESHOLD, kLarge);
  mallopt(M_TRIM_THRESHOLD, kLarge);
#endif
}
