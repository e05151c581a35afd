// Workers that look for work before they sleep: they find all of it, and end when they shall.

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "stand_in.h"

using gerank::Microseconds;

namespace {

gerank::EngineOptions spinning(int workers, Microseconds spin) {
  gerank::EngineOptions options;
  options.workers = workers;
  options.spin = spin;
  options.max_batch = 2;
  return options;
}

}  // namespace

TEST(a_spinning_worker_finds_every_call) {
  Witness witness;
  auto engine = serving(spinning(1, Microseconds(1'000'000)), witness);
  for (int i = 1; i <= 200; ++i) {
    Asked asked({float(i)});
    asked.submit(*engine);
    EXPECT_OK(asked.await());
    EXPECT(asked.answered_rightly());
  }
}

TEST(workers_of_whom_some_spin_and_some_sleep_find_every_call) {
  Witness witness;
  auto engine = serving(spinning(3, Microseconds(50)), witness);
  std::vector<std::thread> callers;
  std::atomic<int> right{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < 100; ++i) {
        // Pauses of up to 100 us: longer ones let all workers sleep, shorter ones find them awake.
        std::this_thread::sleep_for(Microseconds(i % 3 * 50));
        Asked asked({float(caller + 1), float(i + 1), 1});
        asked.submit(*engine);
        if (asked.await() && asked.answered_rightly()) ++right;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQUAL(right.load(), 400);
}

TEST(a_worker_that_spins_hears_of_the_end) {
  Witness witness;
  auto engine = serving(spinning(2, Microseconds(1'000'000)), witness);
  Asked asked({1});
  asked.submit(*engine);
  EXPECT_OK(asked.await());
  const auto began = std::chrono::steady_clock::now();
  EXPECT_OK(engine->stop());
  EXPECT(std::chrono::steady_clock::now() - began < Microseconds(900'000));
}

TEST(a_worker_that_spins_takes_a_new_artifact) {
  Witness witness;
  auto engine = serving(spinning(2, Microseconds(1'000'000)), witness);
  for (const char* version : {"second", "third"}) {
    EXPECT_OK(engine->publish("feed", stand_in(witness, version)));
    Asked asked({1});
    asked.submit(*engine);
    EXPECT_OK(asked.await());
    EXPECT_EQUAL(asked.call.model_version, std::string(version));
  }
}
