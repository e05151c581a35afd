// The bounded queue between callers and workers: one queue per artifact, first in, first out.
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
struct ModelQueue {
  std::string name, version;
  std::shared_ptr<const Ranker> ranker;
  bool published = false;
  std::deque<Call*> calls;      // those of which a query is still waiting
  std::size_t queries = 0;      // waiting
  std::int64_t load = 0;        // of those, in kFullPass: see batch_limits.h
  std::int64_t widest = 0;      // most candidates of a query in `calls`
  TimePoint flush_at = kNever;  // when its queries must not wait for others any longer
  Microseconds full_pass{0};    // what a full forward pass takes: at first in the warm-up
  std::uint64_t answered = 0, failed = 0;  // queries, since it was published
};

// Some neighbouring queries of one call.
struct Part {
  Call* call = nullptr;
  std::size_t first = 0, count = 0;
  Status answered;  // whether the model's answer to these queries is one
};

// What one worker takes at once. Reused, so that it keeps its memory.
struct Batch {
  std::shared_ptr<ModelQueue> model_queue;
  std::vector<Part> parts;
  std::vector<const Query*> queries;
  std::int64_t load = 0;    // in kFullPass
  std::int64_t widest = 0;  // most candidates of a query

  void add(const EngineOptions& options, const Query& query);
  void clear();

  // What its forward pass takes, as far as is known.
  Microseconds expected() const;
};

// What is before a call that comes now, in time of one worker.
struct Backlog {
  Microseconds full{0};     // of the batches that are full already
  Microseconds rest{0};     // of those that are not
  Microseconds longest{0};  // of a full one; 0 if there is none
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

  // What is waiting.
  Backlog backlog() const;

  // Appends a call to its model's queue. It is not kept waiting for others so long that a full
  // forward pass would end after its deadline.
  void push(Call* call);

  // When the next query is due, if nothing else comes: in the past where one is due already.
  TimePoint due_at() const;

  // Fills `batch` with the queries that are due at `now`, or with any if `at_once`; the model's
  // queue whose first call came first goes first. Calls whose deadline has passed are dropped
  // instead. Returns false, and leaves the batch empty, if nothing is due, or nothing but expired
  // calls.
  bool take(TimePoint now, bool at_once, Batch* batch, std::vector<Ended>* ended);

  // Each of these drops what waits of some calls, so that `status` is how they end. Those of which
  // nothing is at a worker have ended by that, and are appended to `ended`; the others end when
  // their last part comes back.

  // One call; false if nothing of it is waiting.
  bool drop(Call* call, const Status& status, std::vector<Ended>* ended);

  // Takes out the calls whose deadline has passed.
  void expire(TimePoint now, std::vector<Ended>* ended);

  // All.
  void clear(const Status& status, std::vector<Ended>* ended);

  // The earliest deadline of a call of which something is waiting.
  TimePoint next_deadline() const;

 private:
  TimePoint flush_time(const Call& call) const;
  void look_at(const Call& call, ModelQueue* model_queue) const;
  bool fills_a_batch(const ModelQueue& model_queue) const;
  TimePoint due_at(const ModelQueue& model_queue) const;
  void take_from(ModelQueue& model_queue, TimePoint now, Batch* batch, std::vector<Ended>* ended);
  bool take_some(ModelQueue& model_queue, Call* call, Batch* batch);
  void drop_from(ModelQueue& model_queue, Call* call, const Status& status,
                 std::vector<Ended>* ended);
  template <typename Select>
  void drop_if(const Select& select, const Status& status, std::vector<Ended>* ended);
  void settle();

  const EngineOptions& options_;
  std::size_t size_ = 0;
  std::vector<std::shared_ptr<ModelQueue>> model_queues_;  // those with a query waiting
};

}  // namespace gerank
