// A real artifact, named by GERANK_TEST_ARTIFACT: many threads, swaps, and what a file may suffer.

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "stand_in.h"

using gerank::Microseconds;

namespace {

std::string artifact() {
  const char* path = std::getenv("GERANK_TEST_ARTIFACT");
  if (path == nullptr) throw std::runtime_error("GERANK_TEST_ARTIFACT names no artifact");
  return path;
}

// Columns for any contract: random numbers, ids of 0 or 1.
class AnyPage {
 public:
  AnyPage(const gerank::Contract& contract, unsigned seed) : random_(seed) {
    query.candidate_count =
        1 + static_cast<std::int64_t>(random_() % static_cast<unsigned>(contract.max_candidates));
    fill(contract.user, 1, user_);
    fill(contract.candidate, static_cast<std::size_t>(query.candidate_count), candidates_);
    query.user_features = user_.blocks;
    query.candidate_features = candidates_.blocks;
    query.greedy = seed % 2 == 0;
    query.seed = seed;
  }
  AnyPage(const AnyPage&) = delete;

  // All pages of a contract name their features alike: `ids` of the user's and candidates' blocks.
  void know_names(const std::array<std::uint64_t, 4>& ids) {
    for (std::size_t b = 0; b < 2; ++b) {
      user_.blocks[b].names_id = ids[b];
      candidates_.blocks[b].names_id = ids[2 + b];
    }
  }

  gerank::Query query;

 private:
  struct Side {
    std::vector<std::string_view> dense, ids;
    std::vector<float> floats;
    std::vector<std::int64_t> integers;
    std::vector<gerank::FeatureBlock> blocks;
  };

  void fill(const std::vector<gerank::Feature>& features, std::size_t rows, Side& side) {
    for (const auto& feature : features) {
      (feature.dense ? side.dense : side.ids).push_back(feature.name);
    }
    std::normal_distribution<float> normal;
    side.floats.resize(rows * side.dense.size());
    for (float& value : side.floats) value = normal(random_);
    side.integers.resize(rows * side.ids.size());
    for (auto& value : side.integers) value = static_cast<std::int64_t>(random_() % 2);
    side.blocks = {{side.dense, gerank::ColumnType::kFloat32, side.floats.data(),
                    side.floats.size() * sizeof(float)},
                   {side.ids, gerank::ColumnType::kInt64, side.integers.data(),
                    side.integers.size() * sizeof(std::int64_t)}};
  }

  std::mt19937 random_;
  Side user_, candidates_;
};

}  // namespace

TEST(a_real_artifact_answers_the_same_from_any_thread_in_any_batch_during_swaps) {
  gerank::EngineOptions options;
  options.workers = 2;
  options.max_batch = 8;
  auto engine = started(options);
  EXPECT_OK(engine->load("feed", artifact()));
  const auto ranker = engine->find();
  constexpr int kThreads = 3, kPages = 24;
  std::vector<std::unique_ptr<AnyPage>> pages;
  std::vector<gerank::Slate> expected(kPages);
  for (unsigned p = 0; p < kPages; ++p) {
    pages.push_back(std::make_unique<AnyPage>(ranker->contract(), p));
    EXPECT_OK(ranker->rank({&pages[p]->query, 1}, {&expected[p], 1}));
  }
  const std::array ids{gerank::new_names_id(), gerank::new_names_id(), gerank::new_names_id(),
                       gerank::new_names_id()};
  for (unsigned p = 0; p < kPages; p += 2) pages[p]->know_names(ids);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      gerank::Call call;
      for (int round = 0; round < 4; ++round) {
        for (unsigned p = 0; p < kPages; ++p) {
          call.queries = {&pages[p]->query, 1};
          wrong += !engine->rank(&call) || call.slates[0].candidates != expected[p].candidates;
        }
      }
    });
  }
  for (int swap = 0; swap < 3; ++swap) EXPECT_OK(engine->load("feed", artifact()));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQUAL(wrong.load(), 0);
  EXPECT_EQUAL(engine->stats().swaps, 4u);
}

TEST(an_artifact_damaged_anywhere_is_refused_or_answers_as_before) {
  std::ifstream in(artifact(), std::ios::binary);
  const std::string sound{std::istreambuf_iterator<char>(in), {}};
  const auto path = std::filesystem::temp_directory_path() /
                    ("gerank-damaged-" + std::to_string(std::random_device{}()));
  std::mt19937 random(0);
  int refused = 0;
  for (int round = 0; round < 30; ++round) {
    std::string damaged = sound;
    if (round % 5 == 0) {
      damaged.resize(random() % sound.size());
    } else {
      for (int i = 0; i < 8; ++i) damaged[random() % sound.size()] ^= char(1 << (random() % 8));
    }
    std::ofstream(path, std::ios::binary) << damaged;
    std::shared_ptr<const gerank::Ranker> ranker;
    const gerank::Status status = gerank::Ranker::load(path.string(), &ranker);
    EXPECT(status.ok() == (ranker != nullptr));
    refused += !status;
    if (!status) EXPECT(status.code() == gerank::Code::kFailedPrecondition);
  }
  std::filesystem::remove(path);
  EXPECT(refused > 20);
}
