// The end of an engine: it takes no more calls, waits for those it has, and joins its threads.

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "engine_state.h"

namespace gerank {

TimePoint Engine::State::after(Microseconds span) const {
  const TimePoint now = clock.now();
  // In microseconds: the longest span of them is more nanoseconds than can be counted.
  return span < std::chrono::duration_cast<Microseconds>(kNever - now) ? now + span : kNever;
}

void Engine::State::drain(TimePoint until) {
  std::unique_lock lock(mutex);
  draining = true;
  wake_all_workers();
  while (calls > 0 && clock.now() < until) clock.wait_until(progress, lock, until);
}

void Engine::State::stop(Microseconds grace) {
  const std::lock_guard one_at_a_time(ending);
  drain(after(grace));
  std::vector<Ended> ended;
  {
    const std::lock_guard lock(mutex);
    queue.clear(Status(Code::kUnavailable, "the engine was stopped"), &ended);
    for (const Ended& each : ended) leave(each.call, each.status.code());
  }
  run_callbacks(ended);
  drain(kNever);
  {
    const std::lock_guard lock(mutex);
    stopping = true;
    wake_all_workers();
    cleaner_work.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

}  // namespace gerank
