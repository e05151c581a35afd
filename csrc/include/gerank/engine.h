// The engine: queries from any number of threads in, batched, answered by artifacts that can be
// exchanged while it runs.
//
//   gerank::Engine::start({}, &engine);
//   engine->load("feed", "model.gerank");
//   gerank::Call call;
//   call.queries = queries;
//   gerank::Status status = engine->rank(&call);     // or submit(&call, callback)
//   if (status) use(call.slates);
#pragma once

#include <gerank/clock.h>
#include <gerank/export.h>
#include <gerank/query.h>
#include <gerank/ranker.h>
#include <gerank/status.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gerank {

struct ModelQueue;  // the queue of one artifact; the engine's own

// A number outside of its range in option_ranges.h is refused by Engine::start.
struct EngineOptions {
  // Forward passes at once: one thread each. At least 1.
  int workers = 1;

  // Threads that one forward pass may use; 1: only the worker itself.
  int intra_op_threads = 1;

  // Most queries in one forward pass. At least 1.
  std::size_t max_batch = 64;

  // Most candidates in one forward pass, padding included; a query alone always fits. More of them
  // save nothing, and whoever comes next waits for all.
  std::size_t max_batch_candidates = 2048;

  // How long a query may wait for others to share its forward pass, when a worker is free. With 0,
  // a batch is whatever arrived while the workers were busy: no query waits for another. A query
  // whose deadline is near does not wait.
  Microseconds max_delay{0};

  // How long a worker without work looks for some before it sleeps, as long as no other thread
  // wants its core: waking a thread that sleeps can take longer than a page. With 0 it sleeps at
  // once, which costs the least processor time.
  Microseconds spin{0};

  // Most queries waiting. One more call is refused with kResourceExhausted, as is one that would
  // expect its answer after its deadline: behind what is running, the full batches that wait, and
  // its own. How many those are is counted by candidates. At least max_queries.
  std::size_t max_queue = 1024;

  // Most queries in one call.
  std::size_t max_queries = 256;

  // What becomes of features that the artifact of a call does not know. With kIgnore a model with a
  // feature less can go live before all callers have changed; a feature more needs a default.
  UnknownFeatures unknown_features = UnknownFeatures::kRefuse;

  // How load() loads artifacts.
  ModelOptions model;

  // Must outlive the engine. Null: the machine's monotonic clock.
  Clock* clock = nullptr;
};

// Tells where the time of one call went, in microseconds. For a call that was split over several
// forward passes it holds the longest wait, and the sums of the rest.
struct Timing {
  std::int64_t queue_us = 0;  // from submission until a worker took it
  std::int64_t batch_us = 0;  // padding into one batch, and splitting the answer
  std::int64_t model_us = 0;  // the forward pass
};

// One request: some queries that are answered together, all or none.
//
// Owned by the caller, who must keep it alive and unchanged from submit() until its callback has
// begun, or until rank() has returned. May then be used again: its slates keep their memory. One
// that is used while it is still in an engine is refused with kFailedPrecondition. Not copyable,
// since the engine points at it.
class GERANK_EXPORT Call {
 public:
  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // In. What `queries` and the views in them point at must live as long as the call is in the
  // engine.
  std::span<const Query> queries;  // 1 to EngineOptions::max_queries
  std::string_view model;          // name under which the artifact is published; empty: the default
  std::string_view version;        // a model version; empty: the name's current one
  TimePoint deadline = kNever;     // by the engine's clock

  // Out, when the call ended with OK; else unspecified.
  std::vector<Slate> slates;  // one per query
  std::string model_version;  // the artifact that answered
  Timing timing;

 private:
  friend class CallQueue;
  friend class Engine;

  std::atomic<bool> inside_{false};  // an engine's, until its callback begins
  std::function<void(Call*, const Status&)> done_;
  std::shared_ptr<ModelQueue> model_queue_;  // what will answer; null outside the engine
  TimePoint arrival_{};
  std::size_t taken_ = 0;    // queries that left the queue, from the first on
  std::size_t open_ = 0;     // queries that are in the queue or with a worker
  std::int64_t widest_ = 0;  // most candidates of a query
  Status outcome_;           // the first failure of a part, or why the rest was dropped
};

// Counts since the engine started, of queries unless said otherwise. Gauges are of this moment. All
// queries of a call count as the call ended, also those that were run before the rest was dropped.
struct EngineStats {
  // Values of one kind, counted by powers of two: buckets[i] counts those in (2^(i-1), 2^i], and
  // buckets[0] those of at most 1; the last one also everything beyond.
  struct Histogram {
    std::array<std::uint64_t, 27> buckets{};
    std::uint64_t count = 0, sum = 0;
  };

  std::uint64_t accepted = 0;   // taken into the queue
  std::uint64_t answered = 0;   // got a slate
  std::uint64_t malformed = 0;  // refused: kInvalidArgument or kNotFound
  std::uint64_t refused = 0;    // refused: kResourceExhausted or kUnavailable
  std::uint64_t expired = 0;    // kDeadlineExceeded: the call did not reach the model in time
  std::uint64_t cancelled = 0;  // kCancelled: the caller had gone before all was run
  std::uint64_t failed = 0;     // kInternal: the model failed
  std::uint64_t batches = 0;    // forward passes, warm-up not counted
  std::uint64_t swaps = 0;      // artifacts made current

  // Features of accepted queries that their artifact does not know, by UnknownFeatures::kIgnore.
  std::uint64_t ignored_features = 0;

  // These count the candidates in forward passes, and the rows that the passes had, padding and
  // what stands above a page included.
  std::uint64_t batch_candidates = 0, batch_rows = 0;

  // These count slots at which a rule was relaxed, and rules that finished slates do not satisfy.
  std::uint64_t relaxed_slots = 0, unmet_rules = 0;

  Histogram batch_queries;  // queries per forward pass
  Histogram queue_us;       // per query
  Histogram batch_us;       // per forward pass
  Histogram model_us;       // per forward pass

  std::size_t queued = 0;   // gauge: queries waiting
  std::size_t running = 0;  // gauge: forward passes in progress
};

// One published artifact.
struct PublishedModel {
  std::string name;
  std::string version;
  bool current = false;     // answers calls that name no version
  bool is_default = false;  // answers calls that name no model

  // Queries that it answered, and that it failed, since it was published.
  std::uint64_t answered = 0, failed = 0;

  std::string_view implementation;  // Ranker::implementation()
  std::string_view precision;       // Ranker::precision()
  std::string_view device;          // Ranker::device()
};

// Thread-safe: every method may be called from any thread at any time, with two exceptions.
//
// In a callback, and in a model, the methods that wait would wait for the very thread that calls
// them: rank, publish, load, drain and stop return kFailedPrecondition there, at once. All others
// are allowed, and so is the end of the engine: it is then stopped by a thread of its own.
//
// An engine belongs to the process that started it. In one that a fork made its threads are
// missing: every method that returns a Status returns kFailedPrecondition there, a call that is
// submitted ends so, find() is null, models() empty, stats() all zeros, cancel() false, and the
// destructor leaves everything as it is. Such a process makes an engine of its own.
class GERANK_EXPORT Engine {
 public:
  // A TorchScript model may print, to standard output. Where a pipe leads there that nobody
  // empties, it would wait for ever, and with it the worker that runs it. From now on what models
  // print in this process is lost. Servers call it; an application may.
  static void drop_model_prints() noexcept;

  // Runs when a call has ended, exactly once, on a thread of the engine, or on the one that
  // submits, cancels or stops. No lock is held: it may submit, also the same Call again. It should
  // be quick, since it keeps a worker from the next batch, and must not throw.
  using Done = std::function<void(Call*, const Status&)>;

  // Starts the threads. kInvalidArgument if an option is out of its range.
  static Status start(const EngineOptions& options, std::unique_ptr<Engine>* engine) noexcept;

  // stop() with no grace. No other thread may be inside a method. In a callback it returns at once,
  // and a thread of its own stops the engine and frees its artifacts.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Whether this process may use the engine: OK, or kFailedPrecondition after a fork.
  Status usable() const noexcept;

  // Whether this thread may wait for the engine: OK, or kFailedPrecondition where `method`, whose
  // name is in the message, would wait for itself or for threads of another process. For hosts that
  // wait in a way of their own.
  Status may_wait(std::string_view method) const noexcept;

  // ---- queries

  // Takes a call, and returns at once. `done` gets the outcome:
  //
  //   OK                  call->slates, ->model_version and ->timing are set
  //   kInvalidArgument    a query is malformed; the field begins with `queries[i].`
  //   kNotFound           no such model or version
  //   kResourceExhausted  the queue is full; retry_after says when to come again
  //   kDeadlineExceeded   the deadline passed before a worker took the call
  //   kCancelled          cancel() came first
  //   kFailedPrecondition the Call is in an engine already, or this is another process
  //   kUnavailable        nothing is published yet, or the engine is draining
  //   kInternal           the model failed
  //
  // A call that is refused ends before this returns, on this thread. If a call is split
  // over several forward passes, those that have not begun when its deadline passes or when it is
  // cancelled are dropped; it ends when the one that runs comes back.
  //
  // Returns OK; or kInvalidArgument, and has done nothing, if there is no call or no callback.
  Status submit(Call* call, Done done) noexcept;

  // submit(), but where rank() would run the forward pass on the calling thread, so does this; the
  // callback has then run when it returns. For hosts that wait in a way of their own.
  Status submit_or_run(Call* call, Done done) noexcept;

  // Whether the queue would take a call of so many queries with this deadline now. A front asks
  // before it spends time on reading a call that submit() would refuse. OK, or kResourceExhausted
  // as above, counted as a refusal. No promise: a call that comes in between may take the room.
  Status expect(std::size_t queries, TimePoint deadline) noexcept;

  // Counts a call that a front refused by itself, so that stats() tells of every query that came:
  // one that could not be read, say, or that found too many others. `code` is what its caller gets;
  // a call whose queries are not known counts as one. submit(), rank() and expect() count their own
  // refusals.
  void count_refusal(Code code, std::size_t queries = 1) noexcept;

  // The blocking form: submits and waits. Where a worker is idle and max_delay is 0, the forward
  // pass runs on this thread, in that worker's place, which saves two changes of threads.
  Status rank(Call* call) noexcept;

  // Ends a call of which something waits: its callback gets kCancelled, on this thread, before this
  // returns; or, if a part of it is with a worker, when that has come back. Without effect on any
  // other call, which then ends by itself; also where one that was cancelled already. The Call
  // object must still exist.
  //
  // Returns whether this made the call end so.
  bool cancel(Call* call) noexcept;

  // ---- artifacts

  // Lets an artifact answer the calls that name `name` and no version, and, if it is the engine's
  // first, those that name no model. It has first answered every size of batch that can occur on
  // every worker, between the batches of others; until then the old one answers. Calls that are
  // queued keep the artifact that was current when they came. Blocks until the switch; publications
  // wait for each other.
  //
  //   keep_old  whether the artifact that was current stays, for calls that name its version, and
  //   for
  //             make_current(); else it is freed, by a thread of its own, after its last call
  //
  // kInternal: it failed its warm-up; kUnavailable: the engine is draining; kInvalidArgument: there
  // is no name or no ranker. The old one serves on.
  Status publish(std::string_view name, std::shared_ptr<const Ranker> ranker,
                 bool keep_old = false) noexcept;

  // Ranker::load, then publish. A damaged artifact is refused, and the old one serves on.
  Status load(std::string_view name, const std::string& path, bool keep_old = false) noexcept;

  // Makes a version current that is still published: a roll-back without loading. kNotFound if not.
  Status make_current(std::string_view name, std::string_view version) noexcept;

  // Removes a version; calls that are queued for it are still answered. kNotFound if there is none.
  // With an empty version: the name and all of its versions.
  Status retire(std::string_view name, std::string_view version = {}) noexcept;

  // The artifact that would answer now; null if there is none. Empty names as in Call.
  std::shared_ptr<const Ranker> find(std::string_view name = {},
                                     std::string_view version = {}) const noexcept;

  // All published artifacts, by name.
  std::vector<PublishedModel> models() const;

  // ---- its end

  // Refuses new calls from now on, and returns when all that were taken have ended. Again: waits
  // too. kDeadlineExceeded if some have not after `at_most`; new ones are still refused.
  Status drain(Microseconds at_most = Microseconds::max()) noexcept;

  // drain(), but what is still queued after `grace` ends with kUnavailable. Then ends the threads.
  // Safe to repeat.
  Status stop(Microseconds grace = Microseconds{0}) noexcept;

  // Counters and gauges, consistent with each other.
  EngineStats stats() const noexcept;

  // What it was started with.
  const EngineOptions& options() const noexcept;

 private:
  struct State;
  explicit Engine(std::shared_ptr<State> state) noexcept;
  static bool claim(Call* call) noexcept;

  std::shared_ptr<State> state_;
};

}  // namespace gerank
