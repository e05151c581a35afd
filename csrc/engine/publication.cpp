// How artifacts come into the engine and leave it, while it runs.

#include <memory>
#include <utility>
#include <vector>

#include "engine_state.h"

namespace gerank {

Status Engine::State::publish(std::string_view name, std::shared_ptr<const Ranker> ranker,
                              bool keep_old) {
  const std::lock_guard one_at_a_time(publication);
  if (name.empty()) return Status::invalid("name", "''", "must not be empty");
  if (Status status = warm_up(ranker); !status) return status;
  auto lane = std::make_shared<Lane>();
  lane->name = name;
  lane->version = ranker->model_version();
  lane->ranker = std::move(ranker);
  const std::lock_guard lock(mutex);
  if (draining) return Status(Code::kUnavailable, "the engine is draining");
  for (auto& old : registry.publish(std::move(lane), keep_old)) discard(std::move(old));
  ++stats.swaps;
  return {};
}

// Runs every size of batch: first here, where a slow first call holds up nobody, then on every
// worker.
Status Engine::State::warm_up(std::shared_ptr<const Ranker> ranker) {
  if (Status status = ranker->warm_up(options.max_batch); !status) return status;
  const auto warm_up = std::make_shared<WarmUp>(std::move(ranker));
  std::unique_lock lock(mutex);
  if (draining) return Status(Code::kUnavailable, "the engine is draining");
  for (auto& list : errands) {
    for (const std::size_t size : warm_up_sizes(options.max_batch)) {
      list.push_back({warm_up, size});
      ++warm_up->open;
    }
  }
  work_came.notify_all();
  progress.wait(lock, [&] { return warm_up->open == 0; });
  return std::move(warm_up->failure);
}

// Drops a reference to a lane: see Note [Freeing an artifact].
void Engine::State::discard(std::shared_ptr<Lane> lane) {
  if (!lane || lane->published) return;
  trash.push_back(std::move(lane));
  house_work.notify_one();
}

}  // namespace gerank
