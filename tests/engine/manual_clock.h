// A clock that a test moves by hand.
#pragma once

#include <gerank/clock.h>

#include <algorithm>
#include <chrono>
#include <vector>

class ManualClock : public gerank::Clock {
 public:
  gerank::TimePoint now() const noexcept override {
    const std::lock_guard lock(mutex_);
    return now_;
  }

  void wait_until(std::condition_variable& condition, std::unique_lock<std::mutex>& lock,
                  gerank::TimePoint until) override {
    const Sleeper self{&condition, lock.mutex()};
    {
      // First into the list, then a look at the time: advance() does it the other way round, so
      // that one of the two sees the other.
      const std::lock_guard guard(mutex_);
      if (until != gerank::kNever && now_ >= until) return;
      sleepers_.push_back(self);
    }
    condition.wait(lock);
    const std::lock_guard guard(mutex_);
    sleepers_.erase(std::find(sleepers_.begin(), sleepers_.end(), self));
  }

  void advance(gerank::Microseconds by) {
    std::vector<Sleeper> sleepers;
    {
      const std::lock_guard guard(mutex_);
      now_ += by;
      sleepers = sleepers_;
    }
    for (const Sleeper& sleeper : sleepers) {
      const std::lock_guard guard(*sleeper.mutex);
      sleeper.condition->notify_all();
    }
  }

 private:
  struct Sleeper {
    std::condition_variable* condition;
    std::mutex* mutex;
    bool operator==(const Sleeper&) const = default;
  };

  mutable std::mutex mutex_;
  gerank::TimePoint now_ = gerank::TimePoint{} + std::chrono::hours(1);
  std::vector<Sleeper> sleepers_;
};
