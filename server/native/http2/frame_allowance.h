// A bound for frames that cost us and bring nobody anything.
#pragma once

#include <algorithm>
#include <chrono>

namespace gerank::server {

// Each such frame takes one of what is allowed; calls, messages and time bring some back. Clients
// send a few per call (windows, PING to measure the line), floods send nothing else.
class FrameAllowance {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Whether one more may come.
  bool take(TimePoint now) {
    if (left_ == 0) refill(now);
    if (left_ == 0) return false;
    --left_;
    return true;
  }

  void earn(int frames) { left_ = std::min(left_ + frames, kMost); }

 private:
  static constexpr int kMost = 10'000, kPerSecond = 1000;

  void refill(TimePoint now) {
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - refilled_);
    earn(int(std::min<long long>(passed.count() * kPerSecond / 1000, kMost)));
    if (left_ > 0) refilled_ = now;
  }

  int left_ = kMost;
  TimePoint refilled_ = std::chrono::steady_clock::now();
};

}  // namespace gerank::server
