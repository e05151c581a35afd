// The way of a call into the engine and out of it.

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "engine_state.h"

namespace gerank {
namespace {

constexpr Microseconds kShortestRetry{1000};

const char* const kDraining = "the engine is draining";

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

// Checks a call and finds its artifact. On OK the call has a lane and room for its slates.
Status Engine::State::admit(Call* call) try {
  std::shared_ptr<Lane> lane;
  {
    const std::lock_guard lock(mutex);
    if (draining) return Status(Code::kUnavailable, kDraining);
    if (Status status = registry.find(call->model, call->version, &lane); !status) return status;
    call->lane_ = lane;
  }
  const std::size_t count = call->queries.size();
  if (count < 1 || count > options.max_queries) {
    return Status::invalid("queries", std::to_string(count),
                           "must be 1 to " + std::to_string(options.max_queries));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (Status status = lane->ranker->check(call->queries[i]); !status) {
      return status.within("queries[" + std::to_string(i) + "]");
    }
  }
  call->slates.resize(count);
  call->model_version = lane->version;
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
  const std::lock_guard lock(mutex);
  const std::size_t count = std::max<std::size_t>(call->queries.size(), 1);
  switch (status.code()) {
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
  if (call->lane_) discard(std::move(call->lane_));
  return status;
}

// Whether the queue takes a call of so many queries.
Status Engine::State::room(std::size_t queries, TimePoint now, TimePoint deadline) const {
  const auto full_batches = static_cast<std::int64_t>(queue.size() / options.max_batch);
  const Microseconds wait = run_time * full_batches / options.workers;
  if (!queue.has_room(queries)) {
    return Status::exhausted("the queue is full: " + std::to_string(queue.size()) + " of " +
                                 std::to_string(options.max_queue) + " queries are waiting",
                             std::max(kShortestRetry, wait + run_time / options.workers));
  }
  // Better now than after a wait for nothing: it would expire before its turn.
  if (deadline - now < wait) {
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
  queue.push(call, run_time);
  wake_worker(due_before);
  if (call->deadline < wake_house_at) {
    wake_house_at = call->deadline;
    house_work.notify_one();
  }
}

void Engine::State::submit(Call* call, Done done) {
  Status status = admit(call);
  if (status) {
    const std::lock_guard lock(mutex);
    status = enter(call);
    if (status) return enqueue(call, std::move(done));
  }
  status = refuse(call, std::move(status));
  done(call, status);
}

Status Engine::State::rank(Call* call) {
  Status status = admit(call);
  if (!status) return refuse(call, std::move(status));
  std::unique_lock lock(mutex);
  status = enter(call);
  if (!status) {
    lock.unlock();
    return refuse(call, std::move(status));
  }
  if (can_run_here(*call)) return run_here(call, lock);
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
  const std::size_t count = call.queries.size();
  return count == 1 || (count <= options.max_batch &&
                        count * static_cast<std::size_t>(widest) <= options.max_batch_candidates);
}

Status Engine::State::run_here(Call* call, std::unique_lock<std::mutex>& lock) {
  thread_local PaddedBuffers buffers;
  thread_local Batch batch;
  thread_local std::vector<Ended> ended;
  batch.lane = call->lane_;
  batch.parts.push_back({call, 0, call->queries.size()});
  for (const Query& query : call->queries) batch.queries.push_back(&query);
  call->taken_ = call->queries.size();
  run_batch(lock, batch, buffers, ended);
  Status status = std::move(ended.front().status);
  ended.clear();
  --calls;
  wake_worker(kNever);
  progress.notify_all();
  return status;
}

bool Engine::State::cancel(Call* call) {
  std::vector<Ended> ended;
  {
    const std::lock_guard lock(mutex);
    if (!call->lane_ || !queue.remove(call)) return false;
    ended.push_back({call, Status(Code::kCancelled, "the caller has gone")});
    leave(call, Code::kCancelled);
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
  }
  discard(std::move(call->lane_));
}

void Engine::State::run_callbacks(std::vector<Ended>& ended) {
  for (auto& [call, status] : ended) {
    const Done done = std::exchange(call->done_, nullptr);
    done(call, status);  // from here on `call` may be gone
  }
  const std::lock_guard lock(mutex);
  calls -= ended.size();
  ended.clear();
  if (calls == 0) progress.notify_all();
}

void Engine::State::drain(TimePoint until) {
  std::unique_lock lock(mutex);
  draining = true;
  work_came.notify_all();
  while (calls > 0 && clock.now() < until) clock.wait_until(progress, lock, until);
}

void Engine::State::stop(Microseconds grace) {
  const std::lock_guard one_at_a_time(ending);
  const TimePoint now = clock.now();
  drain(grace < kNever - now ? now + grace : kNever);
  std::vector<Ended> ended;
  {
    const std::lock_guard lock(mutex);
    queue.clear(Status(Code::kUnavailable, "the engine was stopped"), &ended);
    for (const Ended& each : ended) leave(each.call, each.status.code());
  }
  run_callbacks(ended);
  drain(kNever);
  {
    const std::lock_guard lock(mutex);
    stopping = true;
    work_came.notify_all();
    house_work.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

}  // namespace gerank
