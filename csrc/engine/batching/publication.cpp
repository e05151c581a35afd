// How artifacts come into the engine and leave it, while it runs.

#include <memory>
#include <utility>
#include <vector>

#include "batch_limits.h"
#include "engine_state.h"

namespace gerank {

Status Engine::State::publish(std::string_view name, std::shared_ptr<const Ranker> ranker,
                              bool keep_old) {
  if (Status status = may_wait("publish"); !status) return status;
  if (name.empty()) return Status::invalid("name", "''", "must not be empty");
  if (!ranker) return Status::invalid("ranker", "null", "must be a loaded artifact");
  const std::lock_guard one_at_a_time(publication);
  auto model_queue = std::make_shared<ModelQueue>();
  if (Status status = warm_up(ranker, &model_queue->full_pass); !status) return status;
  model_queue->name = name;
  model_queue->version = ranker->model_version();
  model_queue->ranker = std::move(ranker);
  const std::lock_guard lock(mutex);
  if (draining) return Status(Code::kUnavailable, "the engine is draining");
  for (auto& old : registry.publish(std::move(model_queue), keep_old)) discard(std::move(old));
  ++stats.swaps;
  return {};
}

// Runs every size of batch that can occur: first here, where a slow first call holds up nobody,
// then on every worker. *full_pass is what the largest takes.
Status Engine::State::warm_up(std::shared_ptr<const Ranker> ranker, Microseconds* full_pass) {
  const auto warm_up = std::make_shared<WarmUp>(std::move(ranker));
  const std::size_t most = most_queries(options, warm_up->query.query().candidate_count);
  {
    const Inside working(this);  // see Note [Waiting for oneself]
    if (Status status = warm_up->ranker->warm_up(most); !status) return status;
  }
  std::unique_lock lock(mutex);
  if (draining) return Status(Code::kUnavailable, "the engine is draining");
  for (auto& list : warm_up_passes) {
    for (const std::size_t size : warm_up_sizes(most)) {
      list.push_back({warm_up, size, size == most});
      ++warm_up->open;
    }
  }
  wake_all_workers();
  progress.wait(lock, [&] { return warm_up->open == 0; });
  *full_pass = warm_up->full_pass;
  return std::move(warm_up->failure);
}

// Drops a reference to a model's queue: see Note [Freeing an artifact].
void Engine::State::discard(std::shared_ptr<ModelQueue> model_queue) {
  if (!model_queue || model_queue->published) return;
  unpublished.push_back(std::move(model_queue));
  cleaner_work.notify_one();
}

}  // namespace gerank
