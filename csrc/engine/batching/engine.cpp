#include <gerank/engine.h>
#include <gerank/option_ranges.h>

#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "engine_state.h"

namespace gerank {
namespace {

Status check(const EngineOptions& options) {
  namespace ranges = option_ranges;
  const auto number = [](std::size_t count) { return static_cast<std::int64_t>(count); };
  Status status = ranges::kWorkers.check("workers", options.workers);
  if (status) status = ranges::kIntraOpThreads.check("intra_op_threads", options.intra_op_threads);
  if (status) status = ranges::kMaxBatch.check("max_batch", number(options.max_batch));
  if (status) {
    status = ranges::kMaxBatchCandidates.check("max_batch_candidates",
                                               number(options.max_batch_candidates));
  }
  if (status) status = ranges::kMaxDelayUs.check("max_delay_us", options.max_delay.count());
  if (status) status = ranges::kSpinUs.check("spin_us", options.spin.count());
  if (status) status = ranges::kMaxQueries.check("max_queries", number(options.max_queries));
  if (status) status = ranges::kMaxQueue.check("max_queue", number(options.max_queue));
  if (status) status = options.model.check();
  if (!status || options.max_queue >= options.max_queries) return status;
  return Status::invalid("max_queue", std::to_string(options.max_queue),
                         "must be at least max_queries, " + std::to_string(options.max_queries));
}

Status no_call() { return Status::invalid("call", "null", "must be a call"); }

// Whether there is a call, and somebody to tell its outcome to.
Status check_outlet(const Call* call, const Engine::Done& done) {
  if (call == nullptr) return no_call();
  return done ? Status() : Status::invalid("done", "null", "must be a callback");
}

Status already_inside() {
  return Status(Code::kFailedPrecondition,
                "this call is in an engine already: wait until it has ended, or use another Call");
}

EngineOptions with_clock(EngineOptions options) {
  if (options.clock == nullptr) options.clock = &Clock::steady();
  return options;
}

}  // namespace

Engine::State::State(const EngineOptions& given)
    : options(with_clock(given)), clock(*options.clock), queue(options) {}

// Takes a call for the engine; false if it is in one.
bool Engine::claim(Call* call) noexcept { return !call->inside_.exchange(true); }

// See Note [Waiting for oneself].
Status Engine::State::may_wait(std::string_view method) const {
  if (Status status = usable(); !status || !Inside::of(this)) return status;
  return Status(Code::kFailedPrecondition,
                std::string(method) +
                    "() would wait for itself: this is a callback, a model or a thread of the same "
                    "engine; submit() there, which does not wait, or call it on another thread");
}

Engine::Engine(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

Engine::~Engine() {
  if (state_->usable() && !Inside::of(state_.get())) {
    state_->stop(Microseconds{0});
    return;
  }
  // The last reference to a state that nobody can end is never dropped.
  auto* const left = new std::shared_ptr<State>(std::move(state_));
  if (!(*left)->usable()) return;
  try {
    std::thread([left] {
      (*left)->stop(Microseconds{0});
      delete left;
    }).detach();
  } catch (const std::exception&) {
    // No thread is to be had; the engine's own go on idle.
  }
}

Status Engine::start(const EngineOptions& options, std::unique_ptr<Engine>* engine) noexcept try {
  if (Status status = check(options); !status) return status;
  std::unique_ptr<Engine> started(new Engine(std::make_shared<State>(options)));
  started->state_->start_threads();
  *engine = std::move(started);
  return {};
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Engine::may_wait(std::string_view method) const noexcept { return state_->may_wait(method); }

Status Engine::usable() const noexcept { return state_->usable(); }

Status Engine::submit(Call* call, Done done) noexcept {
  if (Status status = check_outlet(call, done); !status) return status;
  if (claim(call)) {
    state_->submit(call, std::move(done), false);
  } else {
    done(call, already_inside());
  }
  return {};
}

Status Engine::submit_or_run(Call* call, Done done) noexcept {
  if (Status status = check_outlet(call, done); !status) return status;
  if (claim(call)) {
    const auto kept = state_;  // the callback may destroy the engine
    kept->submit(call, std::move(done), !Inside::of(kept.get()));
  } else {
    done(call, already_inside());
  }
  return {};
}

Status Engine::expect(std::size_t queries, TimePoint deadline) noexcept try {
  if (Status status = state_->usable(); !status) return status;
  const std::lock_guard lock(state_->mutex);
  Status status = state_->room(queries, state_->clock.now(), deadline);
  if (!status) state_->stats.refused += queries;
  return status;
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

void Engine::count_refusal(Code code, std::size_t queries) noexcept {
  if (!state_->usable()) return;
  const std::lock_guard lock(state_->mutex);
  state_->count_refusal(code, queries);
}

Status Engine::rank(Call* call) noexcept {
  if (call == nullptr) return no_call();
  if (Status status = state_->may_wait("rank"); !status) return status;
  return claim(call) ? state_->rank(call) : already_inside();
}

bool Engine::cancel(Call* call) noexcept {
  if (call == nullptr || !state_->usable()) return false;
  const auto kept = state_;  // the callback may destroy the engine
  return kept->cancel(call);
}

Status Engine::publish(std::string_view name, std::shared_ptr<const Ranker> ranker,
                       bool keep_old) noexcept try {
  return state_->publish(name, std::move(ranker), keep_old);
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Engine::load(std::string_view name, const std::string& path, bool keep_old) noexcept {
  if (Status status = state_->may_wait("load"); !status) return status;
  std::shared_ptr<const Ranker> ranker;
  if (Status status = Ranker::load(path, &ranker, state_->options.model); !status) return status;
  return publish(name, std::move(ranker), keep_old);
}

Status Engine::make_current(std::string_view name, std::string_view version) noexcept try {
  if (Status status = state_->usable(); !status) return status;
  const std::lock_guard lock(state_->mutex);
  Status status = state_->registry.make_current(name, version);
  if (status) ++state_->stats.swaps;
  return status;
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Engine::retire(std::string_view name, std::string_view version) noexcept try {
  if (Status status = state_->usable(); !status) return status;
  std::vector<std::shared_ptr<ModelQueue>> removed;
  const std::lock_guard lock(state_->mutex);
  Status status = state_->registry.retire(name, version, &removed);
  for (auto& model_queue : removed) state_->discard(std::move(model_queue));
  return status;
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

std::shared_ptr<const Ranker> Engine::find(std::string_view name,
                                           std::string_view version) const noexcept try {
  if (!state_->usable()) return nullptr;
  const std::lock_guard lock(state_->mutex);
  // It is dropped under the lock, so that it is not the last reference.
  std::shared_ptr<ModelQueue> model_queue;
  return state_->registry.find(name, version, &model_queue) ? model_queue->ranker : nullptr;
} catch (const std::exception&) {
  return nullptr;  // no memory for the text of a status that nobody reads
}

std::vector<PublishedModel> Engine::models() const {
  if (!state_->usable()) return {};
  const std::lock_guard lock(state_->mutex);
  return state_->registry.list();
}

Status Engine::drain(Microseconds at_most) noexcept {
  if (Status status = state_->may_wait("drain"); !status) return status;
  state_->drain(state_->after(at_most));
  const std::lock_guard lock(state_->mutex);
  if (state_->calls == 0) return {};
  return Status(Code::kDeadlineExceeded,
                std::to_string(state_->calls) + " calls have not ended yet");
}

Status Engine::stop(Microseconds grace) noexcept {
  if (Status status = state_->may_wait("stop"); !status) return status;
  const auto kept = state_;  // a callback may destroy the engine
  kept->stop(grace);
  return {};
}

EngineStats Engine::stats() const noexcept {
  if (!state_->usable()) return {};
  const std::lock_guard lock(state_->mutex);
  EngineStats stats = state_->stats;
  stats.queued = state_->queue.size();
  return stats;
}

const EngineOptions& Engine::options() const noexcept { return state_->options; }

}  // namespace gerank
