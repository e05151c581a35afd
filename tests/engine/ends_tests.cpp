// How calls end other than by an answer, and how the engine does.

#include <random>

#include "manual_clock.h"
#include "stand_in.h"

using gerank::Code;
using gerank::Microseconds;

namespace {

int code(const gerank::Status& status) { return static_cast<int>(status.code()); }
constexpr int kCancelled = static_cast<int>(Code::kCancelled);
constexpr int kDeadline = static_cast<int>(Code::kDeadlineExceeded);
constexpr int kUnavailable = static_cast<int>(Code::kUnavailable);
constexpr int kInternal = static_cast<int>(Code::kInternal);
constexpr int kInvalid = static_cast<int>(Code::kInvalidArgument);

gerank::EngineOptions by_hand(ManualClock& clock) {
  gerank::EngineOptions options;
  options.clock = &clock;
  return options;
}

}  // namespace

TEST(an_expired_call_ends_at_its_deadline_and_never_reaches_the_model) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock), witness);
  witness.close();
  Asked running({1}), doomed({2, 3}), patient({4});
  running.submit(*engine);
  witness.await_forwards(1);
  doomed.call.deadline = clock.now() + Microseconds(100);
  doomed.submit(*engine);
  patient.submit(*engine);
  clock.advance(Microseconds(99));
  EXPECT(!doomed.over());
  clock.advance(Microseconds(1));
  EXPECT_EQUAL(code(doomed.await()), kDeadline);  // while the model is still busy
  EXPECT(!running.over());
  witness.open();
  EXPECT_OK(patient.await());
  EXPECT_EQUAL(witness.ages(), (std::vector<float>{1, 4}));
  EXPECT_EQUAL(engine->stats().expired, 2u);
}

TEST(a_call_that_comes_after_its_deadline_is_refused_at_once) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock), witness);
  Asked late({1}), blocking({2});
  late.call.deadline = blocking.call.deadline = clock.now();
  late.submit(*engine);
  EXPECT(late.over());
  EXPECT_EQUAL(code(late.await()), kDeadline);
  EXPECT_EQUAL(code(engine->rank(&blocking.call)), kDeadline);
  EXPECT_EQUAL(witness.forwards(), 0);
  EXPECT_EQUAL(engine->stats().expired, 2u);
}

TEST(a_cancelled_call_never_reaches_the_model_and_ends_at_once) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock), witness);
  witness.close();
  Asked running({1}), doomed({2}), other({3});
  running.submit(*engine);
  witness.await_forwards(1);
  doomed.submit(*engine);
  other.submit(*engine);
  EXPECT(engine->cancel(&doomed.call));
  EXPECT(doomed.over());
  EXPECT_EQUAL(code(doomed.await()), kCancelled);
  EXPECT(!engine->cancel(&doomed.call));
  witness.open();
  EXPECT_OK(other.await());
  EXPECT_EQUAL(witness.ages(), (std::vector<float>{1, 3}));
  EXPECT_EQUAL(engine->stats().cancelled, 1u);
  EXPECT_EQUAL(doomed.callbacks(), 1);
}

TEST(what_a_worker_has_taken_or_nobody_submitted_cannot_be_cancelled) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock), witness);
  Asked never({1}), running({2});
  EXPECT(!engine->cancel(&never.call));
  witness.close();
  running.submit(*engine);
  witness.await_forwards(1);
  EXPECT(!engine->cancel(&running.call));
  witness.open();
  EXPECT_OK(running.await());
  EXPECT(running.answered_rightly());
}

TEST(a_model_that_fails_ends_its_calls_and_not_the_engine) {
  ManualClock clock;
  Witness witness;
  auto options = by_hand(clock);
  options.max_batch = 2;
  auto engine = serving(options, witness);
  witness.failing = true;
  Asked split({1, 2, 3, 4, 5});
  split.submit(*engine);
  const gerank::Status status = split.await();
  EXPECT_EQUAL(code(status), kInternal);
  EXPECT_EQUAL(status.message(), "the model is broken");
  EXPECT_EQUAL(witness.forwards(), 1);  // what was left of the call is not tried
  EXPECT_EQUAL(engine->stats().failed, 5u);
  EXPECT_EQUAL(engine->stats().queued, 0u);
  witness.failing = false;
  Asked next({6});
  next.submit(*engine);
  EXPECT_OK(next.await());
}

TEST(a_malformed_query_is_refused_with_its_place_and_counted) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock), witness);
  Page good(1), bad(2);
  bad.query.slots = 7;
  const gerank::Query queries[] = {good.query, bad.query};
  gerank::Call call;
  call.queries = queries;
  const gerank::Status status = engine->rank(&call);
  EXPECT_EQUAL(code(status), kInvalid);
  EXPECT_EQUAL(status.field(), "queries[1].slots");
  EXPECT_EQUAL(status.value(), "7");
  EXPECT_EQUAL(status.message(), "queries[1].slots: must be an integer in [1, 6], got 7");
  EXPECT_EQUAL(engine->stats().malformed, 2u);
  EXPECT_EQUAL(witness.forwards(), 0);
  call.queries = {};
  EXPECT_EQUAL(engine->rank(&call).message(), "queries: must be 1 to 256, got 0");
}

TEST(before_anything_is_published_calls_are_told_to_come_again) {
  auto engine = started({});
  Asked early({1});
  early.submit(*engine);
  EXPECT_EQUAL(code(early.await()), kUnavailable);
  EXPECT(engine->find() == nullptr);
}

TEST(draining_answers_everything_taken_and_takes_no_more) {
  ManualClock clock;
  Witness witness;
  auto options = by_hand(clock);
  options.max_delay = Microseconds(1000);
  auto engine = serving(options, witness);
  witness.close();
  Asked running({1}), waiting({2}), late({3});
  running.submit(*engine);
  clock.advance(Microseconds(1000));
  witness.await_forwards(1);
  waiting.submit(*engine);
  std::thread drain([&] { engine->drain(); });
  for (gerank::Status status; code(status) != kUnavailable;) {  // until the drain has begun
    Asked probe({9});
    probe.call.deadline = clock.now() + Microseconds(1);
    probe.submit(*engine);
    engine->cancel(&probe.call);
    status = probe.await();
  }
  EXPECT(!running.over() && !waiting.over());
  witness.open();  // the delay of what is waiting does not pass: draining does not wait for it
  drain.join();
  EXPECT(running.over() && waiting.over());
  EXPECT_OK(waiting.await());
  late.submit(*engine);
  EXPECT_EQUAL(code(late.await()), kUnavailable);
  EXPECT_EQUAL(code(engine->publish("feed", stand_in(witness, "v2"))), kUnavailable);
}

TEST(stopping_ends_what_is_still_queued_and_waits_for_what_is_running) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock), witness);
  witness.close();
  Asked running({1}), queued({2});
  running.submit(*engine);
  witness.await_forwards(1);
  queued.submit(*engine);
  std::thread stop([&] { engine->stop(); });
  EXPECT_EQUAL(code(queued.await()), kUnavailable);
  EXPECT(!running.over());
  witness.open();
  stop.join();
  EXPECT_OK(running.await());
  EXPECT_EQUAL(witness.ages(), std::vector<float>{1});
  engine->stop();  // once more is no error
}

TEST(an_engine_that_ends_frees_its_artifacts) {
  Witness witness;
  {
    auto engine = serving({}, witness);
  }
  EXPECT_EQUAL(witness.alive.load(), 0);
}

TEST(a_callback_may_submit_the_same_call_again) {
  Witness witness;
  auto engine = serving({}, witness);
  Page page(1);
  gerank::Call call;
  call.queries = {&page.query, 1};
  std::atomic<int> rounds{0};
  std::function<void(gerank::Call*, const gerank::Status&)> again;
  again = [&](gerank::Call* ended, const gerank::Status& status) {
    EXPECT_OK(status);
    if (++rounds < 100) engine->submit(ended, again);
  };
  engine->submit(&call, again);
  while (rounds < 100) std::this_thread::yield();
  engine->drain();
  EXPECT_EQUAL(witness.forwards(), 100);
}

// Every way to end at once, from several threads: each call ends exactly once, and the counters
// agree.
TEST(in_a_storm_every_call_ends_exactly_once) {
  Witness witness;
  gerank::EngineOptions options;
  options.workers = 2;
  options.max_batch = 8;
  options.max_queue = options.max_queries = 16;
  options.max_delay = Microseconds(50);
  auto engine = serving(options, witness);
  std::atomic<std::uint64_t> submitted{0}, ok{0}, ended{0}, wrong{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int round = 0; round < 300; ++round) {
      Asked asked(std::vector<float>(1 + random() % 12, 1.0f + float(random() % 100)));
      const auto deadline = Microseconds(random() % 400);
      if (random() % 2) asked.call.deadline = engine->options().clock->now() + deadline;
      submitted += asked.call.queries.size();
      const auto count = asked.call.queries.size();
      if (random() % 4 == 0) {
        const gerank::Status status = engine->rank(&asked.call);
        ended += count;
        ok += status ? count : 0;
        wrong += status.ok() && !asked.answered_rightly();
        continue;
      }
      asked.submit(*engine);
      if (random() % 3 == 0) engine->cancel(&asked.call);
      const gerank::Status status = asked.await();
      ended += count;
      ok += status ? count : 0;
      wrong += (status.ok() && !asked.answered_rightly()) || asked.callbacks() != 1;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  engine->drain();
  const gerank::EngineStats stats = engine->stats();
  EXPECT_EQUAL(wrong.load(), 0u);
  EXPECT_EQUAL(ended.load(), submitted.load());
  EXPECT_EQUAL(stats.answered, ok.load());
  EXPECT_EQUAL(stats.answered + stats.refused + stats.expired + stats.cancelled, submitted.load());
  EXPECT_EQUAL(stats.batch_queries.sum, witness.ages().size());
  EXPECT(stats.batch_queries.sum >= stats.answered);  // parts of calls that ended otherwise
  EXPECT_EQUAL(stats.batches, stats.batch_queries.count);
  EXPECT_EQUAL(stats.queued, 0u);
  EXPECT(stats.cancelled > 0 && stats.expired > 0 && stats.answered > 0);
}
