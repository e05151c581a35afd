// What the engine expects of the time to come: how long a forward pass takes, and how many are
// before a call.

#include <algorithm>

#include "manual_clock.h"
#include "stand_in.h"

using gerank::Code;
using gerank::Microseconds;

namespace {

constexpr int kExhausted = static_cast<int>(Code::kResourceExhausted);

int code(const gerank::Status& status) { return static_cast<int>(status.code()); }

gerank::EngineOptions by_hand(ManualClock& clock) {
  gerank::EngineOptions options;
  options.clock = &clock;
  options.max_batch_candidates = 12;  // a page of the most candidates fills it
  return options;
}

// Every warm-up batch takes a millisecond.
void measured(Witness& witness, ManualClock& clock) {
  witness.on_warm_up = [&clock] { clock.advance(Microseconds(1000)); };
}

}  // namespace

TEST(a_call_that_would_be_answered_too_late_is_refused_at_once) {
  ManualClock clock;
  Witness witness;
  measured(witness, clock);
  auto engine = serving(by_hand(clock), witness);
  witness.close();
  Asked running({1}, 12), waiting({2, 3, 4}, 12), late({5}, 12), patient({6}, 12);
  running.submit(*engine);
  witness.await_forwards(1);
  waiting.submit(*engine);
  // What runs, three that wait, its own; and a quarter, since it is an estimate.
  const auto answered = clock.now() + Microseconds(6250);
  late.call.deadline = answered - Microseconds(1);
  EXPECT_EQUAL(code(engine->expect(1, late.call.deadline)), kExhausted);
  late.submit(*engine);
  patient.call.deadline = answered;
  patient.submit(*engine);
  EXPECT(late.over());
  const gerank::Status refused = late.await();
  EXPECT_EQUAL(code(refused), kExhausted);
  EXPECT_EQUAL(refused.retry_after().count(), 3000);
  EXPECT(refused.message().find("the 3 queries") != std::string::npos);
  EXPECT_EQUAL(engine->stats().queued, 4u);
  witness.open();
  for (Asked* asked : {&running, &waiting, &patient}) EXPECT_OK(asked->await());
}

TEST(the_wait_is_estimated_by_candidates_and_not_by_queries) {
  ManualClock clock;
  Witness witness;
  measured(witness, clock);
  auto engine = serving(by_hand(clock), witness);
  witness.close();
  Asked running({1}, 3), narrow({2, 3, 4}, 3), soon({5}, 3), wide({6}, 12), late({7}, 3);
  running.submit(*engine);
  witness.await_forwards(1);
  narrow.submit(*engine);  // three quarters of a forward pass
  EXPECT_EQUAL(code(engine->expect(1, clock.now() + Microseconds(1249))), kExhausted);
  soon.call.deadline = clock.now() + Microseconds(1250);  // a quarter runs; and a quarter of all
  soon.submit(*engine);
  EXPECT(!soon.over());
  wide.submit(*engine);
  late.call.deadline = clock.now() + Microseconds(4061);  // two wait, a quarter runs, its own
  EXPECT_OK(engine->expect(1, late.call.deadline + Microseconds(1)));
  late.submit(*engine);
  EXPECT(late.over());
  EXPECT_EQUAL(late.await().retry_after().count(), 2000);
  witness.open();
  for (Asked* asked : {&running, &narrow, &soon, &wide}) EXPECT_OK(asked->await());
}

TEST(how_long_a_forward_pass_takes_is_learnt_from_those_that_are_half_full) {
  ManualClock clock;
  Witness witness;
  auto engine = serving(by_hand(clock), witness);  // by this clock the warm-up takes no time
  const auto takes = [&](std::int64_t candidates, int time) {
    witness.close();
    Asked asked({1}, candidates);
    const int before = witness.forwards();
    asked.submit(*engine);
    witness.await_forwards(before + 1);
    clock.advance(Microseconds(time));
    witness.open();
    EXPECT_OK(asked.await());
  };
  takes(1, 9000);  // a twelfth of a batch: says nothing of a full one
  takes(6, 2000);  // a half: a full one takes twice as long
  witness.close();
  const int before = witness.forwards();
  Asked running({1}, 12), waiting({2}, 12);
  running.submit(*engine);
  witness.await_forwards(before + 1);
  waiting.submit(*engine);
  EXPECT_EQUAL(engine->expect(1, clock.now() + Microseconds(1)).retry_after().count(), 4000);
  EXPECT_OK(engine->expect(1, clock.now() + Microseconds(15'000)));
  witness.open();
  EXPECT_OK(waiting.await());
}

TEST(an_estimate_that_is_too_long_is_put_right_by_a_small_batch_too) {
  ManualClock clock;
  Witness witness;
  witness.on_warm_up = [&clock] { clock.advance(Microseconds(10'000'000)); };  // a slow start
  auto engine = serving(by_hand(clock), witness);
  Asked small({1}, 1), running({2}, 12);
  EXPECT_OK(engine->rank(&small.call));
  witness.close();
  running.submit(*engine);
  witness.await_forwards(2);
  EXPECT_OK(engine->expect(1, clock.now() + Microseconds(100)));
  witness.open();
  EXPECT_OK(running.await());
}

TEST(the_first_call_after_the_start_leaves_time_for_its_forward_pass) {
  ManualClock clock;
  Witness witness;
  measured(witness, clock);
  auto options = by_hand(clock);
  options.max_delay = Microseconds(50'000);
  auto engine = serving(options, witness);
  Asked first({1});
  first.call.deadline = clock.now() + Microseconds(20'000);
  first.submit(*engine);
  clock.advance(Microseconds(17'999));
  EXPECT_EQUAL(engine->stats().queued, 1u);
  clock.advance(Microseconds(1));
  EXPECT_OK(first.await());
  EXPECT(first.answered_rightly());
}

TEST(a_warm_up_runs_no_batch_that_cannot_occur) {
  const auto largest = [](std::size_t candidates, std::size_t queue) {
    Witness witness;
    gerank::EngineOptions options;
    options.max_batch = 100'000;
    options.max_batch_candidates = candidates;
    options.max_queue = options.max_queries = queue;
    const auto engine = serving(options, witness);
    std::size_t size = 0;
    for (const auto& [thread, queries] : witness.warm_ups()) size = std::max(size, queries);
    return size;
  };
  EXPECT_EQUAL(largest(2048, 100'000), 170u);  // of 12 candidates
  EXPECT_EQUAL(largest(100'000, 40), 40u);
  EXPECT_EQUAL(largest(4, 40), 1u);
}
