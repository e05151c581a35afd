#include "deadlines.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "stream.h"

namespace gerank::server {

Deadlines::Deadlines(Loop& loop) : timer_(loop, [this] { expire_due(); }) {}

void Deadlines::add(Stream& stream) {
  streams_.emplace(stream.deadline(), &stream);
  if (stream.deadline() < set_to_) set_timer();
}

void Deadlines::remove(Stream& stream) { streams_.erase({stream.deadline(), &stream}); }

void Deadlines::expire_due() {
  set_to_ = kNever;
  const TimePoint now = std::chrono::steady_clock::now();
  while (!streams_.empty() && streams_.begin()->first <= now) {
    Stream& due = *streams_.begin()->second;
    streams_.erase(streams_.begin());
    due.expire();
  }
  if (!streams_.empty()) set_timer();
}

void Deadlines::set_timer() {
  set_to_ = streams_.begin()->first;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(set_to_ - std::chrono::steady_clock::now());
  timer_.start(std::uint64_t(std::max<std::int64_t>(left.count(), 0)));
}

}  // namespace gerank::server
