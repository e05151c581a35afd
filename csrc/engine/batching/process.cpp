#include "process.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace gerank {
namespace {

std::atomic<pid_t> current{0};
thread_local bool forked = false;

void look() noexcept { current.store(::getpid(), std::memory_order_relaxed); }

// Runs in the child, on its only thread.
void note_fork() noexcept {
  look();
  forked = true;
}

}  // namespace

pid_t this_process() noexcept {
  static const int watched = [] {
    look();
    return ::pthread_atfork(nullptr, nullptr, note_fork);
  }();
  if (watched != 0) look();  // no memory for the handler: then the kernel is asked each time
  return current.load(std::memory_order_relaxed);
}

bool has_lost_its_pools() noexcept { return forked; }

Status in_its_process(pid_t made_in) {
  const pid_t here = this_process();
  if (here == made_in) return {};
  return Status(Code::kFailedPrecondition,
                "this engine was made in process " + std::to_string(made_in) +
                    ", and this is process " + std::to_string(here) +
                    ", which a fork made: make an engine of its own here");
}

}  // namespace gerank
