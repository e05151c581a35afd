// Time, as the engine sees it: a program's tests can put a clock of their own under it.
#pragma once

#include <gerank/export.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace gerank {

using TimePoint = std::chrono::steady_clock::time_point;
using Microseconds = std::chrono::microseconds;

// No deadline.
inline constexpr TimePoint kNever = TimePoint::max();

// Tells the time and waits for it. Thread-safe.
class GERANK_EXPORT Clock {
 public:
  virtual ~Clock() = default;

  virtual TimePoint now() const noexcept = 0;

  // Waits on `condition`, as std::condition_variable::wait does, but not beyond `until`; may wake
  // up for no reason. With kNever it waits for a notification alone.
  virtual void wait_until(std::condition_variable& condition, std::unique_lock<std::mutex>& lock,
                          TimePoint until) = 0;

  // The machine's monotonic clock. Lives as long as the process.
  static Clock& steady() noexcept;
};

}  // namespace gerank
