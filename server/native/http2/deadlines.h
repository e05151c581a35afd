// The open calls that have a deadline.
#pragma once

#include <gerank/clock.h>

#include <set>
#include <utility>

#include "../net/loop.h"

namespace gerank::server {

class Stream;

// Used by the thread of its loop.
class Deadlines {
 public:
  explicit Deadlines(Loop& loop);

  // Lets Stream::expire be called at its deadline, unless it is removed first.
  void add(Stream& stream);
  void remove(Stream& stream);

 private:
  void expire_due();
  void set_timer();

  std::set<std::pair<TimePoint, Stream*>> streams_;
  TimePoint set_to_ = kNever;
  Timer timer_;
};

}  // namespace gerank::server
