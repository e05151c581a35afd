// The calls whose message waits for room, first come, first served.
#pragma once

#include <list>

namespace gerank::server {

class Stream;

// Used by one thread.
class WaitingLine {
 public:
  using Place = std::list<Stream*>::iterator;

  Place add(Stream& stream) { return line_.insert(line_.end(), &stream); }
  void remove(Place place) { line_.erase(place); }
  bool is_empty() const { return line_.empty(); }

  // Lets in all that there is room for.
  void let_in();

 private:
  std::list<Stream*> line_;
};

}  // namespace gerank::server
