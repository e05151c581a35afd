// Calls of more queries than a batch: what has not begun is dropped when nobody wants it any more.

#include <functional>
#include <thread>

#include "manual_clock.h"
#include "stand_in.h"

using gerank::Code;
using gerank::Microseconds;

namespace {

int code(const gerank::Status& status) { return static_cast<int>(status.code()); }

// A call of three forward passes, of which the first runs when `end` is called. It must end with
// `expected` when that pass comes back, and not before. A thread that `end` starts is waited for
// before the engine goes.
void ends_after_its_first_pass(
    Code expected, const std::function<std::thread(gerank::Engine&, Asked&, ManualClock&)>& end,
    std::uint64_t gerank::EngineStats::* count) {
  ManualClock clock;
  Witness witness;
  gerank::EngineOptions options;
  options.clock = &clock;
  options.max_batch = 2;
  auto engine = serving(options, witness);
  witness.close();
  Asked split({1, 2, 3, 4, 5, 6});
  split.call.deadline = clock.now() + Microseconds(1000);
  split.submit(*engine);
  witness.await_forwards(1);
  std::thread ending = end(*engine, split, clock);
  while (engine->stats().queued > 0) std::this_thread::yield();
  EXPECT(!split.over());  // a worker still writes into it
  witness.open();
  const int ended_with = code(split.await());
  if (ending.joinable()) ending.join();
  EXPECT_EQUAL(ended_with, static_cast<int>(expected));
  EXPECT_EQUAL(split.callbacks(), 1);
  EXPECT_EQUAL(witness.ages(), (std::vector<float>{1, 2}));
  const gerank::EngineStats stats = engine->stats();
  EXPECT_EQUAL(stats.*count, 6u);
  EXPECT_EQUAL(stats.answered, 0u);
  EXPECT_EQUAL(stats.batches, 1u);
}

}  // namespace

TEST(what_has_not_begun_of_a_split_call_is_dropped_at_its_deadline) {
  ends_after_its_first_pass(
      Code::kDeadlineExceeded,
      [](gerank::Engine&, Asked&, ManualClock& clock) {
        clock.advance(Microseconds(1000));
        return std::thread();
      },
      &gerank::EngineStats::expired);
}

TEST(what_has_not_begun_of_a_split_call_is_dropped_when_it_is_cancelled) {
  ends_after_its_first_pass(
      Code::kCancelled,
      [](gerank::Engine& engine, Asked& split, ManualClock&) {
        EXPECT(engine.cancel(&split.call));
        EXPECT(!engine.cancel(&split.call));
        return std::thread();
      },
      &gerank::EngineStats::cancelled);
}

TEST(what_has_not_begun_of_a_split_call_is_dropped_when_the_engine_stops) {
  ends_after_its_first_pass(
      Code::kUnavailable,
      [](gerank::Engine& engine, Asked&, ManualClock&) {
        return std::thread([&engine] { EXPECT_OK(engine.stop()); });
      },
      &gerank::EngineStats::refused);
}

TEST(a_split_call_whose_last_part_has_begun_by_its_deadline_is_answered) {
  ManualClock clock;
  Witness witness;
  gerank::EngineOptions options;
  options.clock = &clock;
  options.max_batch = 2;
  options.workers = 2;
  auto engine = serving(options, witness);
  witness.close();
  Asked split({1, 2, 3, 4});
  split.call.deadline = clock.now() + Microseconds(1000);
  split.submit(*engine);
  witness.await_forwards(2);
  clock.advance(Microseconds(1000));
  EXPECT(!engine->cancel(&split.call));
  witness.open();
  EXPECT_OK(split.await());
  EXPECT(split.answered_rightly());
}
