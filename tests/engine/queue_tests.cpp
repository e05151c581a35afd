// The queue: its bound, what waits how long, and what a batch is made of.

#include <algorithm>

#include "manual_clock.h"
#include "stand_in.h"

using gerank::Code;
using gerank::Microseconds;

namespace {

gerank::EngineOptions by_hand(ManualClock& clock, Microseconds delay) {
  gerank::EngineOptions options;
  options.clock = &clock;
  options.max_delay = delay;
  options.max_batch = 4;
  options.max_queue = 8;
  options.max_queries = 8;
  return options;
}

}  // namespace

TEST(queue_refuses_one_query_beyond_its_bound_and_says_when_to_come_again) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock, Microseconds(0)), witness);
  witness.close();
  Asked running({1}), filling({2, 3, 4, 5, 6, 7, 8, 9}), beyond({10});
  running.submit(*engine);
  witness.await_forwards(1);
  filling.submit(*engine);
  EXPECT_EQUAL(engine->stats().queued, 8u);
  EXPECT_EQUAL(static_cast<int>(engine->expect(1, gerank::kNever).code()),
               static_cast<int>(Code::kResourceExhausted));
  beyond.submit(*engine);
  EXPECT(beyond.over());
  const gerank::Status refused = beyond.await();
  EXPECT_EQUAL(static_cast<int>(refused.code()), static_cast<int>(Code::kResourceExhausted));
  EXPECT(refused.retry_after().count() > 0);
  EXPECT(refused.message().find("8 of 8") != std::string::npos);
  witness.open();
  EXPECT_OK(running.await());
  EXPECT_OK(filling.await());
  Asked again({10});
  again.submit(*engine);
  EXPECT_OK(again.await());
  EXPECT_OK(engine->expect(8, gerank::kNever));
  EXPECT_EQUAL(engine->stats().refused, 2u);
}

TEST(a_lone_query_waits_for_the_delay_and_no_longer) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock, Microseconds(500)), witness);
  Asked lone({1});
  lone.submit(*engine);
  clock.advance(Microseconds(499));
  EXPECT_EQUAL(engine->stats().queued, 1u);
  EXPECT_EQUAL(witness.forwards(), 0);
  clock.advance(Microseconds(1));
  EXPECT_OK(lone.await());
  EXPECT_EQUAL(lone.call.timing.queue_us, 500);
  EXPECT(lone.answered_rightly());
}

TEST(a_blocking_query_waits_for_the_delay_too) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock, Microseconds(500)), witness);
  Asked blocking({1});
  std::thread caller([&] { EXPECT_OK(engine->rank(&blocking.call)); });
  while (engine->stats().queued == 0) std::this_thread::yield();
  clock.advance(Microseconds(500));
  caller.join();
  EXPECT_EQUAL(blocking.call.timing.queue_us, 500);
  EXPECT(blocking.answered_rightly());
}

TEST(a_full_batch_does_not_wait) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock, Microseconds(500)), witness);
  Asked first({1, 2}), second({3, 4});
  first.submit(*engine);
  EXPECT_EQUAL(witness.forwards(), 0);
  second.submit(*engine);
  EXPECT_OK(first.await());
  EXPECT_OK(second.await());
  EXPECT_EQUAL(witness.batch_sizes(), std::vector<std::size_t>{4});
}

// While every worker is busy, a query may miss its delay, but then it is in the very next batch.
TEST(a_query_waits_no_longer_than_the_delay_plus_one_batch) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock, Microseconds(500)), witness);
  witness.close();
  Asked ahead({1, 2, 3, 4}), late({5});
  ahead.submit(*engine);
  witness.await_forwards(1);
  late.submit(*engine);
  clock.advance(Microseconds(700));
  EXPECT_EQUAL(engine->stats().queued, 1u);
  witness.open();
  EXPECT_OK(late.await());  // the clock stands still: it did not wait for its delay again
  EXPECT_EQUAL(late.call.timing.queue_us, 700);
}

TEST(without_a_delay_a_batch_is_what_came_during_the_last_one) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock, Microseconds(0)), witness);
  witness.close();
  Asked first({1}), second({2}), third({3, 4});
  first.submit(*engine);
  witness.await_forwards(1);
  second.submit(*engine);
  third.submit(*engine);
  witness.open();
  EXPECT_OK(second.await());
  EXPECT_OK(third.await());
  EXPECT_EQUAL(witness.batch_sizes(), (std::vector<std::size_t>{1, 3}));
  EXPECT(second.answered_rightly() && third.answered_rightly());
}

// A forward pass takes no time by this clock: what is left is a millisecond for all the rest.
TEST(a_query_whose_deadline_is_near_does_not_wait_for_others) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock, Microseconds(50'000)), witness);
  Asked urgent({1}), most_urgent({2});
  urgent.call.deadline = clock.now() + Microseconds(20'000);
  urgent.submit(*engine);
  clock.advance(Microseconds(18'999));
  EXPECT_EQUAL(engine->stats().queued, 1u);
  EXPECT_EQUAL(witness.forwards(), 0);
  clock.advance(Microseconds(1));
  EXPECT_OK(urgent.await());
  most_urgent.call.deadline = clock.now() + Microseconds(900);
  most_urgent.submit(*engine);
  EXPECT_OK(most_urgent.await());
}

TEST(a_call_of_more_queries_than_a_batch_is_split_and_answered_whole) {
  Witness witness;
  ManualClock clock;
  auto engine = serving(by_hand(clock, Microseconds(0)), witness);
  Asked large({1, 2, 3, 4, 5, 6, 7});
  large.submit(*engine);
  EXPECT_OK(large.await());
  EXPECT(large.answered_rightly());
  EXPECT_EQUAL(witness.batch_sizes(), (std::vector<std::size_t>{4, 3}));
  Asked blocking({1, 2, 3, 4, 5, 6, 7});
  EXPECT_OK(engine->rank(&blocking.call));
  EXPECT(blocking.answered_rightly());
}

TEST(a_batch_is_bounded_by_its_padded_candidates_too) {
  Witness witness;
  ManualClock clock;
  auto options = by_hand(clock, Microseconds(0));
  options.max_batch_candidates = 12;
  auto engine = serving(options, witness);
  witness.close();
  Asked running({1}), narrow({2, 3}, 2), wide({4}, 6), widest({5}, 12);
  running.submit(*engine);
  witness.await_forwards(1);
  narrow.submit(*engine);
  wide.submit(*engine);    // 3 queries of 6 would be 18
  widest.submit(*engine);  // alone it always fits
  witness.open();
  for (Asked* asked : {&narrow, &wide, &widest}) {
    EXPECT_OK(asked->await());
    EXPECT(asked->answered_rightly());
  }
  EXPECT_EQUAL(witness.batch_sizes(), (std::vector<std::size_t>{1, 2, 1, 1}));
}

TEST(a_batch_full_of_candidates_does_not_wait_for_more) {
  Witness witness;
  ManualClock clock;
  auto options = by_hand(clock, Microseconds(1000));
  options.max_batch_candidates = 12;
  auto engine = serving(options, witness);
  Asked first({1}, 6), second({2}, 6), lonely({3}, 6);
  first.submit(*engine);
  EXPECT_EQUAL(engine->stats().queued, 1u);
  second.submit(*engine);
  EXPECT_OK(first.await());
  EXPECT_OK(second.await());
  lonely.submit(*engine);  // who came before was wide enough for two, but has gone
  EXPECT_EQUAL(engine->stats().queued, 1u);
  clock.advance(Microseconds(1000));
  EXPECT_OK(lonely.await());
  EXPECT_EQUAL(witness.batch_sizes(), (std::vector<std::size_t>{2, 1}));
}

TEST(two_workers_run_two_batches_at_once) {
  Witness witness;
  ManualClock clock;
  auto options = by_hand(clock, Microseconds(0));
  options.workers = 2;
  auto engine = serving(options, witness);
  witness.close();
  Asked first({1}), second({2}), third({3});
  first.submit(*engine);
  witness.await_forwards(1);
  second.submit(*engine);
  witness.await_forwards(2);
  third.submit(*engine);
  EXPECT_EQUAL(engine->stats().running, 2u);
  EXPECT_EQUAL(engine->stats().queued, 1u);
  witness.open();
  for (Asked* asked : {&first, &second, &third}) EXPECT_OK(asked->await());
}

TEST(a_blocking_call_takes_a_worker_s_place_and_not_more) {
  Witness witness;
  ManualClock clock;
  auto engine = serving(by_hand(clock, Microseconds(0)), witness);
  witness.close();
  Asked blocking({1}), behind({2});
  std::thread caller([&] { EXPECT_OK(engine->rank(&blocking.call)); });
  witness.await_forwards(1);
  behind.submit(*engine);
  EXPECT_EQUAL(engine->stats().running, 1u);
  EXPECT_EQUAL(engine->stats().queued, 1u);
  witness.open();
  caller.join();
  EXPECT_OK(behind.await());
  EXPECT(blocking.answered_rightly() && behind.answered_rightly());
}

TEST(options_out_of_range_are_named) {
  const auto field_of = [](auto change) {
    gerank::EngineOptions options;
    change(options);
    std::unique_ptr<gerank::Engine> engine;
    return gerank::Engine::start(options, &engine).field();
  };
  EXPECT_EQUAL(field_of([](auto& o) { o.workers = 0; }), "workers");
  EXPECT_EQUAL(field_of([](auto& o) { o.max_batch = 0; }), "max_batch");
  EXPECT_EQUAL(field_of([](auto& o) { o.max_delay = Microseconds(-1); }), "max_delay_us");
  EXPECT_EQUAL(field_of([](auto& o) { o.max_queue = 255; }), "max_queue");
  EXPECT_EQUAL(field_of([](auto& o) { o.intra_op_threads = 0; }), "intra_op_threads");
  EXPECT_EQUAL(field_of([](auto& o) { o.model.precision = gerank::Precision::kBfloat16; }), "");
  EXPECT_EQUAL(field_of([](auto& o) {
                 o.model = {gerank::Implementation::kTorchScript, gerank::Precision::kBfloat16};
               }),
               "precision");
  EXPECT_EQUAL(field_of([](auto& o) { o.workers = 2; }), "");
}
