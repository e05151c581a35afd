// The way of a call into the engine and out of it.

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "batch_limits.h"
#include "engine_state.h"

namespace gerank {
namespace {

constexpr Microseconds kShortestRetry{1000};

// An estimate that is a little short lets every call of a full queue come too late; one that is a
// little long costs nothing while others wait.
constexpr std::int64_t kEstimateSlack = 4;  // one part in so many

const char* const kDraining = "the engine is draining";

// What a thread needs to run a batch; kept, so that it keeps its memory.
struct Desk {
  PaddedBuffers buffers;
  Batch batch;
  std::vector<Ended> ended;
};

// One outcome, handed from the thread that has it to the one that waits for it.
class Waiter {
 public:
  void wake(const Status& outcome) {
    const std::lock_guard lock(mutex_);
    outcome_ = outcome;
    over_ = true;
    changed_.notify_one();  // under the lock: the waiting thread may destroy this at once
  }

  Status wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return over_; });
    return std::move(outcome_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  Status outcome_;
};

}  // namespace

// Checks a call and finds its artifact. On OK the call has a model's queue and room for its slates.
Status Engine::State::admit(Call* call) try {
  if (Status status = usable(); !status) return status;
  std::shared_ptr<ModelQueue> model_queue;
  {
    const std::lock_guard lock(mutex);
    if (draining) return Status(Code::kUnavailable, kDraining);
    if (Status status = registry.find(call->model, call->version, &model_queue); !status)
      return status;
    call->model_queue_ = model_queue;
  }
  const std::size_t count = call->queries.size();
  if (count < 1 || count > options.max_queries) {
    return Status::invalid("queries", std::to_string(count),
                           "must be 1 to " + std::to_string(options.max_queries));
  }
  std::size_t ignored = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t of_query = 0;
    const Query& query = call->queries[i];
    if (Status status = model_queue->ranker->check(query, options.unknown_features, &of_query);
        !status) {
      return status.within("queries[" + std::to_string(i) + "]");
    }
    ignored += of_query;
  }
  if (ignored > 0) {
    const std::lock_guard lock(mutex);
    stats.ignored_features += ignored;
  }
  call->slates.resize(count);
  call->model_version = model_queue->version;
  call->timing = Timing{};
  call->taken_ = 0;
  call->open_ = count;
  call->outcome_ = Status();
  return {};
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

// Counts a refusal, and takes the call's hands off its artifact.
Status Engine::State::refuse(Call* call, Status status) {
  if (!usable()) return status;
  const std::lock_guard lock(mutex);
  count_refusal(status.code(), call->queries.size());
  if (call->model_queue_) discard(std::move(call->model_queue_));
  return status;
}

void Engine::State::count_refusal(Code code, std::size_t queries) {
  const std::size_t count = std::max<std::size_t>(queries, 1);
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
      stats.malformed += count;
      break;
    case Code::kDeadlineExceeded:
      stats.expired += count;
      break;
    case Code::kInternal:
      stats.failed += count;
      break;
    default:
      stats.refused += count;
  }
}

// Whether the queue takes a call of so many queries.
Status Engine::State::room(std::size_t queries, TimePoint now, TimePoint deadline) const {
  const Backlog before = queue.backlog();
  const Microseconds wait = before.full / options.workers;
  if (!queue.has_room(queries)) {
    return Status::exhausted("the queue is full: " + std::to_string(queue.size()) + " of " +
                                 std::to_string(options.max_queue) + " queries are waiting",
                             std::max(kShortestRetry, wait + before.longest / options.workers));
  }
  // Where a worker is free nobody is refused, so that an estimate that is wrong does not stay so
  // for want of forward passes.
  if (before.full.count() == 0 && may_run()) return {};
  // What waits, what runs, and its own forward pass: a full one where others are.
  const Microseconds own = before.longest.count() > 0 ? before.longest : before.rest;
  const Microseconds answered = (before.full + running_time) / options.workers + own;
  // Better now than after a wait for nothing: its answer would come too late.
  if (deadline - now < answered + answered / kEstimateSlack) {
    return Status::exhausted("the deadline is nearer than the end of the " +
                                 std::to_string(queue.size()) + " queries that are waiting",
                             std::max(kShortestRetry, wait));
  }
  return {};
}

// Whether a call that was admitted comes in. Counts it as taken if it does.
Status Engine::State::enter(Call* call) {
  const std::size_t count = call->queries.size();
  if (draining) return Status(Code::kUnavailable, kDraining);
  call->arrival_ = clock.now();
  if (call->deadline <= call->arrival_) {
    return Status(Code::kDeadlineExceeded, "the deadline had passed when the call came");
  }
  if (Status status = room(count, call->arrival_, call->deadline); !status) return status;
  stats.accepted += count;
  ++calls;
  return {};
}

void Engine::State::enqueue(Call* call, Done done) {
  call->done_ = std::move(done);
  const TimePoint due_before = queue.due_at();
  queue.push(call);
  wake_worker(due_before);
  if (call->deadline < wake_cleaner_at) {
    wake_cleaner_at = call->deadline;
    cleaner_work.notify_one();
  }
}

void Engine::State::submit(Call* call, Done done, bool may_run_here) {
  Status status = admit(call);
  if (status) {
    std::unique_lock lock(mutex);
    status = enter(call);
    if (status && may_run_here && can_run_here(*call)) {
      call->done_ = std::move(done);
      std::vector<Ended> ended;
      ended.push_back({call, run_here(call, lock)});
      lock.unlock();
      return run_callbacks(ended);
    }
    if (status) return enqueue(call, std::move(done));
  }
  status = refuse(call, std::move(status));
  run_callback(call, status, std::move(done));
}

Status Engine::State::rank(Call* call) {
  Status status = admit(call);
  std::unique_lock lock(mutex, std::defer_lock);
  if (status) {
    lock.lock();
    status = enter(call);
    if (!status) lock.unlock();
  }
  if (!status) {
    status = refuse(call, std::move(status));
    call->inside_ = false;
    return status;
  }
  if (can_run_here(*call)) {
    status = run_here(call, lock);
    call->inside_ = false;
    if (--calls == 0) progress.notify_all();
    return status;
  }
  Waiter waiter;
  enqueue(call, [&waiter](Call*, const Status& outcome) { waiter.wake(outcome); });
  lock.unlock();
  return waiter.wait();
}

// Whether a worker would take the whole call at once, and nothing else, right now.
bool Engine::State::can_run_here(const Call& call) const {
  if (options.max_delay.count() > 0 || !may_run() || queue.size() > 0) return false;
  std::int64_t widest = 0;  // the largest M
  for (const Query& query : call.queries) widest = std::max(widest, query.candidate_count);
  return call.queries.size() <= most_queries(options, widest);
}

// Returns with the lock held; the call still counts as taken.
Status Engine::State::run_here(Call* call, std::unique_lock<std::mutex>& lock) {
  thread_local std::unique_ptr<Desk> spare;
  // Not used in place: the model may ask another engine, on this thread.
  std::unique_ptr<Desk> desk = spare ? std::move(spare) : std::make_unique<Desk>();
  Batch& batch = desk->batch;
  batch.model_queue = call->model_queue_;
  batch.parts.push_back({call, 0, call->queries.size(), {}});
  for (const Query& query : call->queries) batch.add(options, query);
  call->taken_ = call->queries.size();
  {
    const Inside working(this);  // see Note [Waiting for oneself]
    run_batch(lock, batch, desk->buffers, desk->ended);
  }
  Status status = std::move(desk->ended.front().status);
  desk->ended.clear();
  spare = std::move(desk);
  wake_worker(kNever);
  return status;
}

bool Engine::State::cancel(Call* call) {
  std::vector<Ended> ended;
  {
    const std::lock_guard lock(mutex);
    const Status gone(Code::kCancelled, "the caller has gone");
    if (!call->model_queue_ || !queue.drop(call, gone, &ended)) return false;
    for (const Ended& each : ended) leave(each.call, each.status.code());
  }
  run_callbacks(ended);
  return true;
}

// See Note [Who ends a call].
void Engine::State::leave(Call* call, Code code) {
  const std::size_t count = call->queries.size();
  switch (code) {
    case Code::kOk:
      stats.answered += count;
      call->model_queue_->answered += count;
      break;
    case Code::kDeadlineExceeded:
      stats.expired += count;
      break;
    case Code::kCancelled:
      stats.cancelled += count;
      break;
    case Code::kUnavailable:
      stats.refused += count;
      break;
    default:
      stats.failed += count;
      call->model_queue_->failed += count;
  }
  discard(std::move(call->model_queue_));
}

// The call is its owner's again before `done` begins, and may be gone when this returns.
void Engine::State::run_callback(Call* call, const Status& status, Done done) {
  const Inside callback(this);  // see Note [Waiting for oneself]
  call->inside_ = false;
  done(call, status);
  done = nullptr;  // what it held may hold the engine
}

void Engine::State::run_callbacks(std::vector<Ended>& ended) {
  if (ended.empty()) return;
  for (auto& [call, status] : ended) {
    run_callback(call, status, std::exchange(call->done_, nullptr));
  }
  const std::lock_guard lock(mutex);
  calls -= ended.size();
  ended.clear();
  if (calls == 0) progress.notify_all();
}

}  // namespace gerank
