// embedded MODEL CANDIDATES ROUNDS CALLS
//
// Times one request at a time, in turns: the bare scripted generator, on tensors made beforehand,
// and the same request through Ranker and Engine, columns in and slates out, checks included.
// Prints a line per round: microseconds per call of each way, bare, Ranker::rank, Engine::rank,
// Engine::submit.

#include <ATen/Parallel.h>
#include <gerank/engine.h>
#include <gerank/ops.h>
#include <time.h>
#include <torch/script.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// The workers of the last two ways spin so long: longer than their caller needs between two calls.
constexpr gerank::Microseconds kSpin{100};

void require(const gerank::Status& status) {
  if (!status) throw std::runtime_error(status.message());
}

// One page of random numbers, as columns and as tensors.
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
    const auto M = candidates, N = contract.max_slots;
    const auto K = static_cast<std::int64_t>(contract.groups.size());
    const auto Q = static_cast<std::int64_t>(contract.flags.size());
    std::vector<float> weights;
    for (const gerank::WeightRange& range : contract.weights) {
      weights.push_back(static_cast<float>(range.standard));
    }
    at::Tensor quotas = at::zeros({1, Q, 2}, at::kLong);
    quotas.select(2, 1).fill_(-1);
    tensors_ = {tensor(user_.dense, {1, contract.user_dense}),
                tensor(user_.ids, {1, contract.user_ids}),
                tensor(candidates_.dense, {1, M, contract.candidate_dense}),
                tensor(candidates_.ids, {1, M, contract.candidate_ids}),
                at::ones({1, M}, at::kBool),
                tensor(weights, {1, static_cast<std::int64_t>(weights.size())}),
                at::full({1, N}, -1, at::kLong),
                at::full({1, M}, -1, at::kLong),
                at::zeros({1, K, 2}, at::kLong),
                quotas,
                at::full({1}, N, at::kLong),
                at::ones({1}),
                at::zeros({1}, at::kLong),
                at::ones({1}, at::kBool)};
  }

  const gerank::Query& query() const { return query_; }
  const std::vector<c10::IValue>& tensors() const { return tensors_; }

 private:
  struct Side {
    std::vector<std::string_view> dense_names, id_names;
    std::vector<float> dense;
    std::vector<std::int64_t> ids;
    std::vector<gerank::FeatureBlock> blocks;
  };

  template <typename T>
  static at::Tensor tensor(std::vector<T>& values, std::vector<std::int64_t> shape) {
    return at::from_blob(values.data(), shape, c10::CppTypeToScalarType<T>::value).clone();
  }

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
  std::vector<c10::IValue> tensors_;
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

std::unique_ptr<gerank::Engine> start(const std::string& model, gerank::Microseconds spin) {
  std::unique_ptr<gerank::Engine> engine;
  gerank::EngineOptions options;
  options.spin = spin;
  require(gerank::Engine::start(options, &engine));
  require(engine->load("feed", model));
  return engine;
}

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
  at::set_num_threads(1);
  gerank::link_ops();
  auto bare = torch::jit::load(model);
  bare.eval();
  const auto engine = start(model, gerank::Microseconds(0));
  const auto spinning = start(model, kSpin);
  const auto ranker = engine->find();
  const Page page(ranker->contract(), candidates);
  gerank::Call call;
  call.queries = {&page.query(), 1};
  std::vector<gerank::Slate> slates(1);
  const std::vector<std::function<void()>> ways = {
      [&] {
        const c10::InferenceMode no_gradients;
        bare.forward(page.tensors());
      },
      [&] { require(ranker->rank({&page.query(), 1}, slates)); },
      [&] { require(engine->rank(&call)); },
      [&] { submit_and_wait(*engine, call); },
      [&] { submit_and_wait(*spinning, call); },
      [&] { submit_and_poll(*spinning, call); },
  };
  for (const auto& way : ways) cost_per_call(way, 50);
  for (int round = 0; round < rounds; ++round) {
    for (const auto& way : ways) {
      const Cost cost = cost_per_call(way, calls);
      std::printf("%.2f %.2f ", cost.wall_us, cost.cpu_us);
    }
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) throw std::runtime_error("usage: embedded MODEL CANDIDATES ROUNDS CALLS");
  run(argv[1], std::atoll(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]));
} catch (const std::exception& error) {
  std::fprintf(stderr, "embedded: %s\n", error.what());
  return 1;
}
