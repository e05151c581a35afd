#include <gerank/clock.h>

namespace gerank {
namespace {

class SteadyClock : public Clock {
 public:
  TimePoint now() const noexcept override { return std::chrono::steady_clock::now(); }

  void wait_until(std::condition_variable& condition, std::unique_lock<std::mutex>& lock,
                  TimePoint until) override {
    // wait_until(max) overflows in the conversion to the system's clock of some libraries.
    if (until == kNever) {
      condition.wait(lock);
    } else {
      condition.wait_until(lock, until);
    }
  }
};

}  // namespace

Clock& Clock::steady() noexcept {
  static SteadyClock clock;
  return clock;
}

}  // namespace gerank
