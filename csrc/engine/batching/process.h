// Which process this is. A fork copies an engine's memory and none of its threads, so that no
// method can do its work in the child, and a lock that a thread held at that moment stays locked
// there.
#pragma once

#include <gerank/export.h>
#include <gerank/status.h>
#include <sys/types.h>

namespace gerank {

// The id of this process. Costs a load: it is a fork that changes it.
GERANK_EXPORT pid_t this_process() noexcept;

// Whether the calling thread is the one that made this process by a fork. What it had of pools of
// threads, as OpenMP keeps one per thread, stayed behind: to use them would be to wait for ever.
// False if nobody had asked this_process() before the fork.
GERANK_EXPORT bool has_lost_its_pools() noexcept;

// OK in the process `made_in`, where an engine was made; in any other kFailedPrecondition, which
// names both and says what to do.
Status in_its_process(pid_t made_in);

}  // namespace gerank
