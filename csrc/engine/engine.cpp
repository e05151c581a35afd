#include <gerank/engine.h>
#include <gerank/option_ranges.h>

#include <exception>
#include <string>
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
  if (status) status = ranges::kMaxQueries.check("max_queries", number(options.max_queries));
  if (status) status = ranges::kMaxQueue.check("max_queue", number(options.max_queue));
  if (!status || options.max_queue >= options.max_queries) return status;
  return Status::invalid("max_queue", std::to_string(options.max_queue),
                         "must be at least max_queries, " + std::to_string(options.max_queries));
}

EngineOptions with_clock(EngineOptions options) {
  if (options.clock == nullptr) options.clock = &Clock::steady();
  return options;
}

}  // namespace

Engine::State::State(const EngineOptions& given)
    : options(with_clock(given)), clock(*options.clock), queue(options) {}

Engine::Engine(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}

Engine::~Engine() { stop(); }

Status Engine::start(const EngineOptions& options, std::unique_ptr<Engine>* engine) noexcept try {
  if (Status status = check(options); !status) return status;
  std::unique_ptr<Engine> started(new Engine(std::make_unique<State>(options)));
  started->state_->start_threads();
  *engine = std::move(started);
  return {};
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

void Engine::submit(Call* call, Done done) noexcept { state_->submit(call, std::move(done)); }

Status Engine::expect(std::size_t queries, TimePoint deadline) noexcept try {
  const std::lock_guard lock(state_->mutex);
  Status status = state_->room(queries, state_->clock.now(), deadline);
  if (!status) state_->stats.refused += queries;
  return status;
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Engine::rank(Call* call) noexcept { return state_->rank(call); }

bool Engine::cancel(Call* call) noexcept { return state_->cancel(call); }

Status Engine::publish(std::string_view name, std::shared_ptr<const Ranker> ranker,
                       bool keep_old) noexcept try {
  return state_->publish(name, std::move(ranker), keep_old);
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Engine::load(std::string_view name, const std::string& path, bool keep_old) noexcept {
  std::shared_ptr<const Ranker> ranker;
  if (Status status = Ranker::load(path, &ranker); !status) return status;
  return publish(name, std::move(ranker), keep_old);
}

Status Engine::make_current(std::string_view name, std::string_view version) noexcept try {
  const std::lock_guard lock(state_->mutex);
  Status status = state_->registry.make_current(name, version);
  if (status) ++state_->stats.swaps;
  return status;
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Engine::retire(std::string_view name, std::string_view version) noexcept try {
  std::vector<std::shared_ptr<Lane>> removed;
  const std::lock_guard lock(state_->mutex);
  Status status = state_->registry.retire(name, version, &removed);
  for (auto& lane : removed) state_->discard(std::move(lane));
  return status;
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

std::shared_ptr<const Ranker> Engine::find(std::string_view name,
                                           std::string_view version) const noexcept try {
  const std::lock_guard lock(state_->mutex);
  std::shared_ptr<Lane> lane;  // dropped under the lock, so that it is not the last reference
  return state_->registry.find(name, version, &lane) ? lane->ranker : nullptr;
} catch (const std::exception&) {
  return nullptr;  // no memory for the text of a status that nobody reads
}

std::vector<PublishedModel> Engine::models() const {
  const std::lock_guard lock(state_->mutex);
  return state_->registry.list();
}

void Engine::drain() noexcept { state_->drain(kNever); }

void Engine::stop(Microseconds grace) noexcept { state_->stop(grace); }

EngineStats Engine::stats() const noexcept {
  const std::lock_guard lock(state_->mutex);
  EngineStats stats = state_->stats;
  stats.queued = state_->queue.size();
  return stats;
}

const EngineOptions& Engine::options() const noexcept { return state_->options; }

}  // namespace gerank
