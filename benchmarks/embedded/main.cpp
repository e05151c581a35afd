// embedded MODEL CANDIDATES ROUNDS CALLS
//
// Times one request at a time, in turns, with the native and with the TorchScript implementation:
// the bare model, on a batch that was padded beforehand, and the same request through Ranker and
// Engine, columns in and slates out, checks included. Prints a line per round: for each
// implementation microseconds per call of each way, wall and CPU.

#include <gerank/engine.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

// The workers of the last two ways spin so long: longer than their caller needs between two calls.
constexpr gerank::Microseconds kSpin{100};

void require(const gerank::Status& status) {
  if (!status) throw std::runtime_error(status.message());
}

// One page of random numbers, as columns.
class Page {
 public:
  Page(const gerank::Contract& contract, std::int64_t candidates) {
    query_.candidate_count = candidates;
    fill(contract.user, 1, &user_);
    fill(contract.candidate, candidates, &candidates_);
    query_.user_features = user_.blocks;
    query_.candidate_features = candidates_.blocks;
    for (std::int64_t m = 0; m < candidates; ++m) ids_.push_back("item-" + std::to_string(m));
    id_views_.assign(ids_.begin(), ids_.end());
    query_.candidate_ids = id_views_;
  }

  const gerank::Query& query() const { return query_; }

 private:
  struct Side {
    std::vector<std::string_view> dense_names, id_names;
    std::vector<float> dense;
    std::vector<std::int64_t> ids;
    std::vector<gerank::FeatureBlock> blocks;
  };

  void fill(const std::vector<gerank::Feature>& features, std::int64_t rows, Side* side) {
    for (const gerank::Feature& feature : features) {
      (feature.dense ? side->dense_names : side->id_names).push_back(feature.name);
    }
    side->dense.resize(static_cast<std::size_t>(rows) * side->dense_names.size());
    side->ids.resize(static_cast<std::size_t>(rows) * side->id_names.size());
    std::normal_distribution<float> normal;
    for (float& value : side->dense) value = normal(random_);
    for (std::int64_t& value : side->ids) value = static_cast<std::int64_t>(random_() % 2);
    if (!side->dense.empty()) {
      side->blocks.push_back({side->dense_names, gerank::ColumnType::kFloat32, side->dense.data(),
                              side->dense.size() * sizeof(float)});
    }
    if (!side->ids.empty()) {
      side->blocks.push_back({side->id_names, gerank::ColumnType::kInt64, side->ids.data(),
                              side->ids.size() * sizeof(std::int64_t)});
    }
  }

  std::mt19937 random_{0};
  Side user_, candidates_;
  std::vector<std::string> ids_;
  std::vector<std::string_view> id_views_;
  gerank::Query query_;
};

// submit() and a wait, as a front that is not allowed to block in the engine would.
void submit_and_wait(gerank::Engine& engine, gerank::Call& call) {
  std::mutex mutex;
  std::condition_variable ended;
  bool over = false;
  gerank::Status outcome;
  engine.submit(&call, [&](gerank::Call*, const gerank::Status& status) {
    const std::lock_guard lock(mutex);
    outcome = status;
    over = true;
    ended.notify_one();
  });
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return over; });
  require(outcome);
}

// submit(), and a look again and again, as by a host that polls.
void submit_and_poll(gerank::Engine& engine, gerank::Call& call) {
  std::atomic<bool> over{false};
  gerank::Status outcome;
  engine.submit(&call, [&](gerank::Call*, const gerank::Status& status) {
    outcome = status;
    over = true;
  });
  while (!over) {
  }
  require(outcome);
}

std::unique_ptr<gerank::Engine> start(const std::string& model, gerank::Microseconds spin,
                                      gerank::Implementation implementation) {
  std::unique_ptr<gerank::Engine> engine;
  gerank::EngineOptions options;
  options.spin = spin;
  options.model.implementation = implementation;
  require(gerank::Engine::start(options, &engine));
  require(engine->load("feed", model));
  return engine;
}

// The ways to ask one implementation.
class Asked {
 public:
  Asked(const std::string& model, gerank::Implementation implementation, std::int64_t candidates)
      : engine_(start(model, gerank::Microseconds(0), implementation)),
        spinning_(start(model, kSpin, implementation)),
        ranker_(engine_->find()),
        page_(ranker_->contract(), candidates) {
    call_.queries = {&page_.query(), 1};
    const auto slots = static_cast<std::size_t>(ranker_->contract().max_slots);
    slates_of_batch_.resize(slots);
    relaxed_.resize(slots);
    log_prob_.resize(slots);
  }

  const gerank::Contract& contract() const { return ranker_->contract(); }
  const gerank::Query& query() const { return page_.query(); }

  std::vector<std::function<void()>> ways(const gerank::PaddedBatch& batch) {
    return {
        [&] {
          require(
              ranker_->run(batch, {slates_of_batch_.data(), log_prob_.data(), relaxed_.data()}));
        },
        [&] { require(ranker_->rank({&page_.query(), 1}, slates_)); },
        [&] { require(engine_->rank(&call_)); },
        [&] { submit_and_wait(*engine_, call_); },
        [&] { submit_and_wait(*spinning_, call_); },
        [&] { submit_and_poll(*spinning_, call_); },
    };
  }

 private:
  std::unique_ptr<gerank::Engine> engine_, spinning_;
  std::shared_ptr<const gerank::Ranker> ranker_;
  Page page_;
  gerank::Call call_;
  std::vector<gerank::Slate> slates_{1};
  std::vector<std::int64_t> slates_of_batch_, relaxed_;
  std::vector<float> log_prob_;
};

struct Cost {
  double wall_us = 0;
  double cpu_us = 0;  // of all threads of this process
};

double cpu_us() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

Cost cost_per_call(const std::function<void()>& way, int calls) {
  const double cpu = cpu_us();
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) way();
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - began;
  return {taken.count() / calls, (cpu_us() - cpu) / calls};
}

void run(const std::string& model, std::int64_t candidates, int rounds, int calls) {
  Asked native(model, gerank::Implementation::kNative, candidates);
  Asked scripted(model, gerank::Implementation::kTorchScript, candidates);
  const auto measure = [&](const gerank::PaddedBatch& batch) {
    std::vector<std::function<void()>> ways = native.ways(batch);
    for (auto& way : scripted.ways(batch)) ways.push_back(std::move(way));
    for (const auto& way : ways) cost_per_call(way, 50);
    for (int round = 0; round < rounds; ++round) {
      for (const auto& way : ways) {
        const Cost cost = cost_per_call(way, calls);
        std::printf("%.2f %.2f ", cost.wall_us, cost.cpu_us);
      }
      std::printf("\n");
    }
  };
  require(native.contract().pad({&native.query(), 1}, measure));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) throw std::runtime_error("usage: embedded MODEL CANDIDATES ROUNDS CALLS");
  run(argv[1], std::atoll(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]));
} catch (const std::exception& error) {
  std::fprintf(stderr, "embedded: %s\n", error.what());
  return 1;
}
