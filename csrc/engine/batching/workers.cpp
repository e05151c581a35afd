// The engine's threads: workers, which run batches, and the cleaner.
#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "../artifact/ranker_parts.h"
#include "batch_limits.h"
#include "engine_state.h"
#include "histogram.h"
#include "pass_threads.h"

namespace gerank {
namespace {

std::int64_t microseconds(TimePoint from, TimePoint to) {
  return std::chrono::duration_cast<Microseconds>(to - from).count();
}

// Learns from a forward pass of a batch how long a full one takes: a moving average of those that
// were at least half full. A smaller one, whose fixed part counts for more, only tells how long it
// takes at most.
void learn(const EngineOptions& options, const Batch& batch, Microseconds time) {
  Microseconds& known = batch.model_queue->full_pass;
  const Microseconds full = time * kFullPass / batch.load;
  if (2 * batch.queries.size() < most_queries(options, batch.widest)) {
    known = std::min(known, full);
  } else {
    known = known.count() == 0 ? full : (known * 7 + full) / 8;
  }
}

// Lets the other thread of a core go on, where it has two.
void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Engine::State::start_threads() {
  warm_up_passes.resize(static_cast<std::size_t>(options.workers));
  for (std::size_t worker = 0; worker < warm_up_passes.size(); ++worker) {
    threads.emplace_back([this, worker] { work(worker); });
  }
  threads.emplace_back([this] { expire_and_free(); });
}

// A batch and a warm-up pass in turns, so that neither starves the other.
void Engine::State::work(std::size_t worker) {
  const Inside working(this);  // see Note [Waiting for oneself]
  set_pass_threads(options.intra_op_threads);
  PaddedBuffers buffers;
  Batch batch;
  std::vector<Ended> ended;
  bool has_spun = false;
  std::unique_lock lock(mutex);
  for (;;) {
    bool busy = false;
    if (!warm_up_passes[worker].empty()) {
      run_warm_up_pass(lock, worker, buffers);
      busy = true;
    }
    if (may_run()) {
      const bool any = queue.take(clock.now(), draining, &batch, &ended);
      for (const Ended& expired : ended) leave(expired.call, expired.status.code());
      if (any) run_batch(lock, batch, buffers, ended);
      busy = busy || any;
    }
    if (!ended.empty()) {
      lock.unlock();
      run_callbacks(ended);
      lock.lock();
      busy = true;
    }
    has_spun = has_spun && !busy;
    if (busy) continue;
    if (stopping) return;
    await_work(lock, &has_spun);
  }
}

// Runs a batch with the lock released. Calls that ended by it are appended to `ended`.
void Engine::State::run_batch(std::unique_lock<std::mutex>& lock, Batch& batch,
                              PaddedBuffers& buffers, std::vector<Ended>& ended) {
  ++stats.running;
  const Microseconds expected = batch.expected();
  running_time += expected;
  const TimePoint taken = clock.now();
  if (queue.size() > 0) wake_worker(kNever);
  lock.unlock();
  Timing timing;
  PassCounts counts;
  const Status status = run_model(batch, buffers, &timing, &counts);
  lock.lock();
  --stats.running;
  counts.add_to(&stats);
  running_time -= expected;
  ++stats.batches;
  record(&stats.batch_queries, static_cast<std::int64_t>(batch.queries.size()));
  record(&stats.batch_us, timing.batch_us);
  record(&stats.model_us, timing.model_us);
  if (status) learn(options, batch, Microseconds(timing.batch_us + timing.model_us));
  for (const Part& part : batch.parts) {
    timing.queue_us = microseconds(part.call->arrival_, taken);
    for (std::size_t i = 0; i < part.count; ++i) record(&stats.queue_us, timing.queue_us);
    settle(part, status ? part.answered : status, timing, ended);
  }
  discard(std::move(batch.model_queue));
  batch.clear();
}

// A wrong answer fails its own call, and no other one of the batch.
Status Engine::State::run_model(Batch& batch, PaddedBuffers& buffers, Timing* timing,
                                PassCounts* counts) noexcept try {
  const Ranker::Parts& ranker = *batch.model_queue->ranker->parts_;
  const TimePoint began = clock.now();
  buffers.fill(ranker.contract, batch.queries);
  counts->add(buffers.batch(), batch.queries);
  const TimePoint filled = clock.now();
  const Status status = ranker.model->run(buffers.batch(), buffers.answer());
  const TimePoint answered = clock.now();
  std::size_t b = 0;
  for (Part& part : batch.parts) {
    for (std::size_t i = 0; status.ok() && i < part.count; ++i, ++b) {
      Slate& slate = part.call->slates[part.first + i];
      Status split = buffers.split(ranker.contract, b, &slate);
      if (split) counts->add(slate);
      if (!split && part.answered) part.answered = std::move(split);
    }
  }
  timing->model_us = microseconds(filled, answered);
  timing->batch_us = microseconds(began, filled) + microseconds(answered, clock.now());
  return status;
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

// Some queries of a call came back.
void Engine::State::settle(const Part& part, const Status& status, const Timing& timing,
                           std::vector<Ended>& ended) {
  Call* call = part.call;
  call->timing.queue_us = std::max(call->timing.queue_us, timing.queue_us);
  call->timing.batch_us += timing.batch_us;
  call->timing.model_us += timing.model_us;
  if (!status && call->outcome_) {
    call->outcome_ = status;
    queue.drop(call, status, &ended);  // ends nothing: this part is still out
  }
  call->open_ -= part.count;
  if (call->open_ > 0) return;
  ended.push_back({call, std::move(call->outcome_)});
  leave(call, ended.back().status.code());
}

void Engine::State::run_warm_up_pass(std::unique_lock<std::mutex>& lock, std::size_t worker,
                                     PaddedBuffers& buffers) {
  WarmUpPass warm_up_pass = std::move(warm_up_passes[worker].front());
  warm_up_passes[worker].pop_front();
  lock.unlock();
  Status status;
  const TimePoint began = clock.now();
  try {
    const Ranker::Parts& ranker = *warm_up_pass.warm_up->ranker->parts_;
    const std::vector<const Query*> queries(warm_up_pass.queries,
                                            &warm_up_pass.warm_up->query.query());
    buffers.fill(ranker.contract, queries);
    status = ranker.model->run(buffers.batch(), buffers.answer());
  } catch (const std::exception& error) {
    status = Status(Code::kInternal, error.what());
  }
  const Microseconds time{microseconds(began, clock.now())};
  lock.lock();
  WarmUp& warm_up = *warm_up_pass.warm_up;
  if (!status && warm_up.failure) warm_up.failure = std::move(status);
  if (warm_up_pass.largest) warm_up.full_pass = std::min(warm_up.full_pass, time);
  if (--warm_up.open == 0) progress.notify_all();
}

// Returns when there may be work, with the lock held. A worker spins once after each of its
// batches.
void Engine::State::await_work(std::unique_lock<std::mutex>& lock, bool* has_spun) {
  if (options.spin.count() > 0 && queue.size() == 0 && !std::exchange(*has_spun, true)) {
    spin(lock);
  } else {
    clock.wait_until(work_came, lock, may_run() ? queue.due_at() : kNever);
  }
}

// Looks for a wake-up without sleeping, and without the lock. Where sched_yield() is long in coming
// back, another thread had use for the core: then this one does not keep it from it.
void Engine::State::spin(std::unique_lock<std::mutex>& lock) {
  using Time = std::chrono::steady_clock;
  constexpr Microseconds kOthersRan{10};
  constexpr int kLooks = 32;  // between two yields
  const std::uint64_t before = wakes;
  ++spinning;
  lock.unlock();
  const Time::time_point end = Time::now() + options.spin;
  for (Time::time_point now{}, last = Time::now(); wakes == before; last = now) {
    for (int look = 0; look < kLooks && wakes == before; ++look) pause_briefly();
    std::this_thread::yield();
    now = Time::now();
    if (now >= end || now - last > kOthersRan) break;
  }
  lock.lock();
  --spinning;
}

// Wakes a worker if there is something due earlier than what idle workers wait for. One that spins
// sees it by itself.
void Engine::State::wake_worker(TimePoint due_before) {
  if (!may_run() || queue.due_at() >= due_before) return;
  ++wakes;
  if (spinning == 0) work_came.notify_one();
}

void Engine::State::wake_all_workers() {
  ++wakes;
  work_came.notify_all();
}

// Ends calls whose deadline passes while they wait, and frees artifacts.
void Engine::State::expire_and_free() {
  const Inside working(this);  // see Note [Waiting for oneself]
  std::vector<Ended> expired;
  std::vector<std::shared_ptr<ModelQueue>> freed;
  std::unique_lock lock(mutex);
  while (!stopping || !unpublished.empty()) {
    if (clock.now() >= wake_cleaner_at) {
      queue.expire(clock.now(), &expired);
      for (const Ended& each : expired) leave(each.call, each.status.code());
      wake_cleaner_at = queue.next_deadline();
    }
    std::swap(freed, unpublished);
    if (expired.empty() && freed.empty()) {
      clock.wait_until(cleaner_work, lock, wake_cleaner_at);
      continue;
    }
    lock.unlock();
    freed.clear();
    run_callbacks(expired);
    lock.lock();
  }
}

}  // namespace gerank
