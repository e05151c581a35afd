// Artifacts come and go while the engine runs.

#include <algorithm>
#include <set>

#include "manual_clock.h"
#include "stand_in.h"

using gerank::Code;
using gerank::Microseconds;

namespace {

int code(const gerank::Status& status) { return static_cast<int>(status.code()); }
constexpr int kNotFound = static_cast<int>(Code::kNotFound);

std::string answering(gerank::Engine& engine, const char* name = "", const char* version = "") {
  Asked asked({1});
  asked.call.model = name;
  asked.call.version = version;
  EXPECT_OK(engine.rank(&asked.call));
  return asked.call.model_version;
}

}  // namespace

TEST(a_swap_under_load_loses_no_call) {
  Witness witness;
  gerank::EngineOptions options;
  options.workers = 2;
  options.max_batch = 4;
  auto engine = serving(options, witness);
  std::atomic<bool> over{false};
  std::atomic<int> answered{0}, wrong{0};
  const auto ask = [&] {
    while (!over) {
      Asked blocking({2}), queued({3});
      queued.submit(*engine);
      const bool good = engine->rank(&blocking.call) && queued.await() &&
                        blocking.answered_rightly() && queued.answered_rightly();
      wrong += !good;
      answered += 2;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(ask);
  for (int swap = 2; swap <= 51; ++swap) {
    EXPECT_OK(engine->publish("feed", stand_in(witness, "v" + std::to_string(swap))));
  }
  while (answered < 1000) std::this_thread::yield();
  over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQUAL(wrong.load(), 0);
  EXPECT_EQUAL(answering(*engine), "v51");
  EXPECT_EQUAL(engine->stats().failed + engine->stats().refused, 0u);
  EXPECT_EQUAL(engine->models().size(), 1u);
}

TEST(old_artifacts_are_freed_by_one_thread_that_answers_nobody) {
  Witness witness;
  auto engine = serving({}, witness);
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  std::vector<std::thread::id> callers{std::this_thread::get_id()};
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!over) answering(*engine);
    });
    callers.push_back(threads.back().get_id());
  }
  for (int swap = 2; swap <= 20; ++swap) {
    EXPECT_OK(engine->publish("feed", stand_in(witness, "v" + std::to_string(swap))));
  }
  over = true;
  for (std::thread& thread : threads) thread.join();
  while (witness.alive > 1) std::this_thread::yield();
  const auto deaths = witness.deaths();
  EXPECT_EQUAL(deaths.size(), 19u);
  EXPECT_EQUAL((std::set<std::thread::id>(deaths.begin(), deaths.end()).size()), 1u);
  for (const auto& caller : callers) {
    EXPECT(std::find(deaths.begin(), deaths.end(), caller) == deaths.end());
  }
  for (const auto& [thread, size] : witness.warm_ups()) {  // neither the workers
    EXPECT(std::find(deaths.begin(), deaths.end(), thread) == deaths.end());
  }
}

TEST(an_artifact_has_run_every_size_of_batch_on_every_worker_before_it_answers) {
  Witness witness;
  gerank::EngineOptions options;
  options.workers = 3;
  options.max_batch = 6;
  auto engine = started(options);
  EXPECT_OK(engine->publish("feed", stand_in(witness, "v1")));
  const auto runs = witness.warm_ups();
  EXPECT_EQUAL(witness.forwards(), 0);
  std::set<std::thread::id> threads;
  std::set<std::size_t> sizes;
  for (const auto& [thread, size] : runs) {
    threads.insert(thread);
    sizes.insert(size);
  }
  EXPECT_EQUAL(threads.size(), 4u);  // three workers, and the one that publishes
  EXPECT_EQUAL(sizes, (std::set<std::size_t>{1, 2, 4, 6}));
  EXPECT_EQUAL(runs.size(), 16u);
}

TEST(an_artifact_that_fails_its_warm_up_is_refused_and_the_old_one_serves_on) {
  Witness sound, broken;
  auto engine = serving({}, sound);
  broken.failing = true;
  const gerank::Status status = engine->publish("feed", stand_in(broken, "v2"));
  EXPECT_EQUAL(code(status), static_cast<int>(Code::kInternal));
  EXPECT_EQUAL(answering(*engine), "v1");
  EXPECT_EQUAL(broken.alive.load(), 0);
}

TEST(a_file_that_is_no_artifact_is_refused_and_the_old_one_serves_on) {
  Witness witness;
  auto engine = serving({}, witness);
  const gerank::Status status = engine->load("feed", "/nowhere/model.gerank");
  EXPECT_EQUAL(code(status), static_cast<int>(Code::kFailedPrecondition));
  EXPECT_EQUAL(status.message(), "/nowhere/model.gerank: no such file");
  EXPECT_EQUAL(answering(*engine), "v1");
}

TEST(queued_calls_keep_the_artifact_that_was_current_when_they_came) {
  ManualClock clock;
  Witness old_one, new_one;
  gerank::EngineOptions options;
  options.clock = &clock;
  options.workers = 2;
  auto engine = serving(options, old_one);
  old_one.close();
  Asked running({1}), other({2}), queued({3});
  running.submit(*engine);
  old_one.await_forwards(1);
  other.submit(*engine);
  old_one.await_forwards(2);
  queued.submit(*engine);
  std::thread publisher([&] { EXPECT_OK(engine->publish("feed", stand_in(new_one, "v2"))); });
  while (new_one.warm_ups().size() < 7) std::this_thread::yield();  // the publisher's own
  EXPECT_EQUAL(engine->find()->model_version(), "v1");  // the workers have not warmed it yet
  old_one.open();
  publisher.join();
  EXPECT_OK(queued.await());
  EXPECT_EQUAL(queued.call.model_version, "v1");
  EXPECT_EQUAL(answering(*engine), "v2");
}

TEST(names_and_versions_choose_the_artifact) {
  Witness witness;
  auto engine = serving({}, witness);
  EXPECT_OK(engine->publish("feed", stand_in(witness, "v2"), true));
  EXPECT_OK(engine->publish("search", stand_in(witness, "s1")));
  EXPECT_EQUAL(answering(*engine), "v2");
  EXPECT_EQUAL(answering(*engine, "feed", "v1"), "v1");
  EXPECT_EQUAL(answering(*engine, "search"), "s1");
  EXPECT_EQUAL(answering(*engine, "", "v1"), "v1");
  EXPECT_EQUAL(engine->models().size(), 3u);
  Asked asked({1});
  asked.call.model = "serch";
  const gerank::Status unknown = engine->rank(&asked.call);
  EXPECT_EQUAL(code(unknown), kNotFound);
  EXPECT(unknown.message().find("'serch'") != std::string::npos);
  EXPECT(unknown.message().find("['feed', 'search']") != std::string::npos);
  asked.call.model = "feed";
  asked.call.version = "v3";
  EXPECT(engine->rank(&asked.call).message().find("'v3'") != std::string::npos);
}

TEST(a_roll_back_needs_no_loading) {
  Witness witness;
  auto engine = serving({}, witness);
  EXPECT_OK(engine->publish("feed", stand_in(witness, "v2"), true));
  const auto warm_ups = witness.warm_ups();
  EXPECT_OK(engine->make_current("feed", "v1"));
  EXPECT_EQUAL(answering(*engine), "v1");
  EXPECT_EQUAL(code(engine->make_current("feed", "v9")), kNotFound);
  EXPECT_OK(engine->retire("feed", "v1"));
  EXPECT_EQUAL(answering(*engine), "v2");
  EXPECT_EQUAL(code(engine->retire("feed", "v1")), kNotFound);
  EXPECT(warm_ups == witness.warm_ups());
}

TEST(calls_of_two_versions_are_batched_apart) {
  ManualClock clock;
  Witness first, second;
  gerank::EngineOptions options;
  options.clock = &clock;
  auto engine = serving(options, first);
  EXPECT_OK(engine->publish("feed", stand_in(second, "v2"), true));
  first.close();
  Asked running({1}), a({2}), b({3}), c({4}), d({5});
  for (Asked* old_ones : {&running, &a, &c}) old_ones->call.version = "v1";
  running.submit(*engine);
  first.await_forwards(1);
  for (Asked* asked : {&a, &b, &c, &d}) asked->submit(*engine);
  first.open();
  for (Asked* asked : {&a, &b, &c, &d}) EXPECT_OK(asked->await());
  EXPECT_EQUAL(first.batch_sizes(), (std::vector<std::size_t>{1, 2}));
  EXPECT_EQUAL(second.batch_sizes(), (std::vector<std::size_t>{2}));
}

TEST(a_retired_artifact_answers_what_was_queued_for_it) {
  ManualClock clock;
  Witness witness;
  gerank::EngineOptions options;
  options.clock = &clock;
  auto engine = serving(options, witness);
  witness.close();
  Asked running({1}), queued({2});
  running.submit(*engine);
  witness.await_forwards(1);
  queued.submit(*engine);
  EXPECT_OK(engine->retire("feed"));
  witness.open();
  EXPECT_OK(queued.await());
  EXPECT(queued.answered_rightly());
  while (witness.alive > 0) std::this_thread::yield();
  EXPECT(engine->find() == nullptr);
}
