// A model without torch that can be held back and asked what it saw, and queries for it.
#pragma once

#include <gerank/engine.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"

// Up to 12 candidates and 6 slots; a user feature `age`; candidate features `score`, `seller` (a
// hashed id and group key) and `fresh` (a flag).
extern const char* const kContract;

// What all stand-ins of a test saw, alive or not. Thread-safe.
class Witness {
 public:
  // Holds forwards back until open(). Warm-up batches pass: their ages are 0.
  void close();
  void open();

  void await_forwards(int count);  // until so many have begun, of batches that were asked for
  int forwards() const;
  std::vector<float> ages() const;               // of the queries that reached a model, in order
  std::vector<std::size_t> batch_sizes() const;  // of those batches
  std::set<std::pair<std::thread::id, std::size_t>> warm_ups() const;  // thread, size
  std::vector<std::thread::id> deaths() const;  // the threads on which stand-ins were freed

  std::function<void()> on_warm_up;  // runs in every warm-up batch; set before the first
  // Changes the answers of batches that were asked for; set before the first.
  std::function<void(const gerank::PaddedBatch&, const gerank::PaddedAnswer&)> spoil;
  std::atomic<bool> failing{false};
  std::atomic<int> alive{0};

 private:
  friend class StandIn;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool open_ = true;
  std::vector<float> ages_;
  std::vector<std::size_t> batch_sizes_;
  std::set<std::pair<std::thread::id, std::size_t>> warm_ups_;
  std::vector<std::thread::id> deaths_;
};

// Puts candidate n into slot n; log_prob is minus the user's age.
class StandIn : public gerank::Model {
 public:
  explicit StandIn(Witness& witness) : witness_(witness) { ++witness_.alive; }
  ~StandIn() override;
  gerank::Status run(const gerank::PaddedBatch& batch,
                     const gerank::PaddedAnswer& answer) const override;

 private:
  Witness& witness_;
};

std::shared_ptr<const gerank::Ranker> stand_in(Witness& witness, std::string version);

// A valid query. Not copyable, since it points into itself.
struct Page {
  explicit Page(float user_age, std::int64_t candidates = 3);
  Page(const Page&) = delete;

  float age;
  std::vector<float> scores;
  std::vector<std::int64_t> ids;  // [M, 2]
  std::vector<std::string_view> user_names{"age"}, dense_names{"score"},
      id_names{"seller", "fresh"};
  std::vector<gerank::FeatureBlock> user, features;
  gerank::Query query;
};

// A call of some pages, and what became of it. Thread-safe once it is asked.
class Asked {
 public:
  explicit Asked(std::vector<float> ages, std::int64_t candidates = 3);

  void submit(gerank::Engine& engine);
  gerank::Status await();  // until the callback has run
  bool over() const;
  int callbacks() const;
  bool answered_rightly() const;  // every slate is that of its page

  gerank::Call call;

 private:
  std::vector<std::unique_ptr<Page>> pages_;
  std::vector<gerank::Query> queries_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  int callbacks_ = 0;
  gerank::Status status_;
};

std::unique_ptr<gerank::Engine> started(const gerank::EngineOptions& options);
std::unique_ptr<gerank::Engine> serving(const gerank::EngineOptions& options, Witness& witness);
