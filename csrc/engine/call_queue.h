// The bounded queue between callers and workers: one lane per artifact, first in, first out.
//
// Knows no threads and no clock: its owner holds a lock and says what time it is.
#pragma once

#include <gerank/engine.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace gerank {

// The calls that wait for one artifact.
struct Lane {
  std::string name, version;
  std::shared_ptr<const Ranker> ranker;
  bool published = false;
  std::deque<Call*> calls;      // those of which a query is still waiting
  std::size_t queries = 0;      // waiting
  std::int64_t widest = 0;      // most candidates of a query in `calls`
  TimePoint flush_at = kNever;  // when the lane's queries must not wait for others any longer
};

// Some neighbouring queries of one call.
struct Part {
  Call* call = nullptr;
  std::size_t first = 0, count = 0;
};

// What one worker takes at once. Reused, so that it keeps its memory.
struct Batch {
  std::shared_ptr<Lane> lane;
  std::vector<Part> parts;
  std::vector<const Query*> queries;

  void clear();
};

// A call that has ended, and how.
struct Ended {
  Call* call = nullptr;
  Status status;
};

class CallQueue {
 public:
  explicit CallQueue(const EngineOptions& options) : options_(options) {}

  // Queries waiting.
  std::size_t size() const { return size_; }

  bool has_room(std::size_t queries) const { return size_ + queries <= options_.max_queue; }

  // Appends a call to its lane. `run_time` is what a forward pass takes, roughly: a call is not
  // kept waiting for others into the last `run_time` before its deadline.
  void push(Call* call, Microseconds run_time);

  // When the next query is due, if nothing else comes: in the past where one is due already.
  TimePoint due_at() const;

  // Fills `batch` with the queries that are due at `now`, or with any if `at_once`; the lane whose
  // first call came first goes first. Calls whose deadline has passed are moved to `expired`
  // instead. Returns false, and leaves the batch empty, if nothing is due, or nothing but expired
  // calls.
  bool take(TimePoint now, bool at_once, Batch* batch, std::vector<Ended>* expired);

  // Removes a call of which nothing was taken yet; false if there is none.
  bool remove(Call* call);

  // Removes what is left of a call.
  void remove_rest(Call* call);

  // Moves the calls whose deadline has passed, and of which nothing was taken yet, to `expired`.
  void expire(TimePoint now, std::vector<Ended>* expired);

  // Moves all calls of which nothing was taken yet to `ended`, with `status`.
  void clear(const Status& status, std::vector<Ended>* ended);

  // The earliest deadline of a call of which nothing was taken yet.
  TimePoint next_deadline() const;

 private:
  TimePoint flush_time(const Call& call) const;
  void look_at(const Call& call, Lane* lane) const;
  bool fills_a_batch(const Lane& lane) const;
  TimePoint due_at(const Lane& lane) const;
  void take_from(Lane& lane, TimePoint now, Batch* batch, std::vector<Ended>* expired);
  bool take_some(Call* call, Batch* batch, std::int64_t* candidates) const;
  template <typename Select>
  void remove_if(const Select& select, const Status& status, std::vector<Ended>* ended);
  void settle();

  const EngineOptions& options_;
  Microseconds run_time_{0};
  std::size_t size_ = 0;
  std::vector<std::shared_ptr<Lane>> lanes_;  // those with a query waiting
};

}  // namespace gerank
