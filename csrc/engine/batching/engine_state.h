// What the parts of an Engine share: one lock, its queue, its artifacts, its threads.
#pragma once

#include <gerank/engine.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "call_queue.h"
#include "inside.h"
#include "padded_buffers.h"
#include "pass_counts.h"
#include "process.h"
#include "registry.h"
#include "warm_up.h"

namespace gerank {

// A publication that waits until every worker has run every size of batch.
struct WarmUp {
  explicit WarmUp(std::shared_ptr<const Ranker> artifact)
      : ranker(std::move(artifact)), query(ranker->contract()) {}

  const std::shared_ptr<const Ranker> ranker;
  const WarmUpQuery query;
  std::size_t open = 0;                          // passes not done yet
  Microseconds full_pass = Microseconds::max();  // the shortest run of the largest batch
  Status failure;                                // the first
};

// A warm-up batch that one worker shall run.
struct WarmUpPass {
  std::shared_ptr<WarmUp> warm_up;
  std::size_t queries = 0;
  bool largest = false;  // of its warm-up
};

// Everything is guarded by `mutex`, unless said otherwise.
//
// Note [Who ends a call]: whoever removes the last of a call's queries from the queue, or brings
// the last of them back from the model, ends it: takes it out of the engine under the lock, and
// runs its callback without the lock. From then on the engine does not touch it: it may be gone.
//
// Note [Freeing an artifact]: the cleaner frees artifacts, because that takes long. Whoever
// drops a reference to a model's queue that is not published any more gives it to `unpublished`, so
// that the last reference is always dropped there.
//
// Note [Waiting for oneself]: a thread of the engine, a callback and a model that runs in a
// worker's place are marked (inside.h). Whoever waits there for a worker, a publication or the end
// would wait for himself; each method that waits asks may_wait() first.
struct Engine::State {
  explicit State(const EngineOptions& given);

  // ---- who may call (engine.cpp)
  Status usable() const { return in_its_process(process); }
  Status may_wait(std::string_view method) const;

  // ---- calls (calls.cpp)
  void submit(Call* call, Done done, bool may_run_here);
  Status rank(Call* call);
  bool cancel(Call* call);
  Status admit(Call* call);  // everything but its place in the queue
  Status enter(Call* call);  // under the lock
  Status room(std::size_t queries, TimePoint now, TimePoint deadline) const;  // under the lock
  Status refuse(Call* call, Status status);  // of admit() or enter(); the call may be used again
  void count_refusal(Code code, std::size_t queries);  // under the lock
  void enqueue(Call* call, Done done);                 // under the lock
  bool can_run_here(const Call& call) const;           // under the lock
  Status run_here(Call* call, std::unique_lock<std::mutex>& lock);
  void run_callback(Call* call, const Status& status, Done done);  // without the lock
  void leave(Call* call, Code code);              // under the lock: out of the engine
  void run_callbacks(std::vector<Ended>& ended);  // without the lock; empties `ended`

  // ---- threads (workers.cpp)
  void start_threads();
  void work(std::size_t worker);
  void run_batch(std::unique_lock<std::mutex>& lock, Batch& batch, PaddedBuffers& buffers,
                 std::vector<Ended>& ended);
  Status run_model(Batch& batch, PaddedBuffers& buffers, Timing* timing,
                   PassCounts* counts) noexcept;
  void settle(const Part& part, const Status& status, const Timing& timing,
              std::vector<Ended>& ended);
  void run_warm_up_pass(std::unique_lock<std::mutex>& lock, std::size_t worker,
                        PaddedBuffers& buffers);
  void await_work(std::unique_lock<std::mutex>& lock, bool* has_spun);
  void spin(std::unique_lock<std::mutex>& lock);
  bool may_run() const { return stats.running < static_cast<std::size_t>(options.workers); }
  void wake_worker(TimePoint due_before);
  void wake_all_workers();
  void expire_and_free();

  // ---- artifacts (publication.cpp)
  Status publish(std::string_view name, std::shared_ptr<const Ranker> ranker, bool keep_old);
  Status warm_up(std::shared_ptr<const Ranker> ranker, Microseconds* full_pass);
  void discard(std::shared_ptr<ModelQueue> model_queue);  // under the lock

  // ---- the end (ending.cpp)
  TimePoint after(Microseconds span) const;
  void drain(TimePoint until);  // `calls` may be above 0 when it returns
  void stop(Microseconds grace);

  const pid_t process = this_process();  // not guarded: immutable
  const EngineOptions options;           // not guarded: immutable
  Clock& clock;                          // not guarded: thread-safe

  std::mutex publication;  // one publication at a time; taken before `mutex`
  std::mutex ending;       // one stop at a time; taken before `mutex`
  std::mutex mutex;
  std::condition_variable work_came;     // for workers
  std::atomic<std::uint64_t> wakes{0};   // how often workers were woken; those that spin look here
  std::size_t spinning = 0;              // workers
  std::condition_variable cleaner_work;  // for the cleaner
  std::condition_variable progress;      // for whoever waits for an end: of calls, of a warm-up

  CallQueue queue;
  Registry registry;
  EngineStats stats;
  Microseconds running_time{0};  // that the batches at work were expected to take
  std::size_t calls = 0;         // taken and not ended, or their callback is still running
  TimePoint wake_cleaner_at = kNever;
  std::vector<std::shared_ptr<ModelQueue>> unpublished;
  std::vector<std::deque<WarmUpPass>> warm_up_passes;  // per worker
  bool draining = false, stopping = false;

  std::vector<std::thread> threads;  // guarded by `ending`
};

}  // namespace gerank
