// What a callback may do, and what is refused there; and calls that are none.

#include <future>

#include "manual_clock.h"
#include "stand_in.h"

using gerank::Code;
using gerank::Microseconds;
using gerank::Status;

namespace {

int code(const Status& status) { return static_cast<int>(status.code()); }
constexpr int kPrecondition = static_cast<int>(Code::kFailedPrecondition);
constexpr int kInvalid = static_cast<int>(Code::kInvalidArgument);

// What every method that waits says on this thread.
std::vector<Status> waits(gerank::Engine& engine, Witness& witness) {
  Asked asked({9});
  return {engine.rank(&asked.call), engine.publish("feed", stand_in(witness, "v2")),
          engine.load("feed", "/nowhere/model.gerank"), engine.drain(), engine.stop()};
}

void expect_refusals(const std::vector<Status>& outcomes) {
  const char* const methods[] = {"rank()", "publish()", "load()", "drain()", "stop()"};
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQUAL(code(outcomes[i]), kPrecondition);
    EXPECT(outcomes[i].message().starts_with(methods[i]));
    EXPECT(outcomes[i].message().find("submit()") != std::string::npos);
  }
}

}  // namespace

TEST(in_a_callback_what_would_wait_for_itself_is_refused_at_once) {
  Witness witness;
  auto engine = serving({}, witness);
  for (const bool refused : {false, true}) {  // a worker's callback; the submitting thread's
    Asked asked({1});
    if (refused) asked.call.version = "v9";
    std::promise<std::vector<Status>> outcomes;
    engine->submit(&asked.call, [&](gerank::Call*, const Status&) {
      outcomes.set_value(waits(*engine, witness));
    });
    expect_refusals(outcomes.get_future().get());
  }
  Asked after({2});
  EXPECT_OK(engine->rank(&after.call));  // nothing was stopped or drained
}

TEST(in_a_callback_everything_that_does_not_wait_is_allowed) {
  Witness witness;
  auto engine = serving({}, witness);
  EXPECT_OK(engine->publish("feed", stand_in(witness, "v2"), true));
  Asked asked({1}), next({2}), never({3});
  std::promise<std::vector<Status>> outcomes;
  engine->submit(&asked.call, [&](gerank::Call*, const Status& status) {
    next.submit(*engine);
    EXPECT(!engine->cancel(&never.call));
    EXPECT(engine->find() != nullptr && engine->models().size() == 2);
    EXPECT(engine->stats().answered == 1);
    outcomes.set_value({status, engine->expect(1, gerank::kNever),
                        engine->make_current("feed", "v1"), engine->retire("feed", "v2")});
  });
  for (const Status& status : outcomes.get_future().get()) EXPECT_OK(status);
  EXPECT_OK(next.await());
}

TEST(a_callback_may_wait_for_another_engine) {
  Witness witness;
  auto first = serving({}, witness), second = serving({}, witness);
  Asked asked({1}), other({2});
  std::promise<Status> outcome;
  first->submit(&asked.call, [&](gerank::Call*, const Status&) {
    outcome.set_value(second->rank(&other.call));
  });
  EXPECT_OK(outcome.get_future().get());
}

TEST(a_model_that_asks_its_own_engine_is_refused_instead_of_waiting_for_ever) {
  Witness witness;
  auto engine = started({});
  std::vector<Status> outcomes;
  std::mutex mutex;
  witness.on_warm_up = [&] {
    const Status status = engine->drain();
    const std::lock_guard lock(mutex);
    outcomes.push_back(status);
  };
  EXPECT_OK(engine->publish("feed", stand_in(witness, "v1")));
  EXPECT_EQUAL(outcomes.size(), 14u);  // 7 sizes here, and on the worker
  for (const Status& status : outcomes) EXPECT_EQUAL(code(status), kPrecondition);
}

TEST(an_engine_may_end_in_its_own_callback) {
  Witness witness;
  auto engine = serving({}, witness);
  witness.close();
  Asked last({1}), queued({2});
  std::promise<void> ended;
  engine->submit(&last.call, [&](gerank::Call*, const Status& status) {
    EXPECT_OK(status);
    engine.reset();
    ended.set_value();
  });
  witness.await_forwards(1);
  queued.submit(*engine);
  witness.open();
  ended.get_future().get();
  queued.await();  // answered, or told that the engine was stopped
  while (witness.deaths().empty()) std::this_thread::yield();
}

TEST(an_engine_may_end_in_the_callback_of_a_call_that_is_cancelled) {
  Witness witness;
  auto engine = serving({}, witness);
  witness.close();
  Asked running({1}), doomed({2});
  running.submit(*engine);
  witness.await_forwards(1);
  engine->submit(&doomed.call, [&](gerank::Call*, const Status&) { engine.reset(); });
  EXPECT(engine->cancel(&doomed.call));
  EXPECT(engine == nullptr);
  witness.open();
  EXPECT_OK(running.await());
  while (witness.deaths().empty()) std::this_thread::yield();
}

TEST(no_artifact_no_callback_and_no_call_are_named) {
  Witness witness;
  auto engine = serving({}, witness);
  Asked asked({1});
  const auto done = [](gerank::Call*, const Status&) {};
  EXPECT_EQUAL(engine->publish("feed", nullptr).field(), "ranker");
  EXPECT_EQUAL(engine->submit(&asked.call, nullptr).field(), "done");
  EXPECT_EQUAL(engine->submit(nullptr, done).field(), "call");
  EXPECT_EQUAL(engine->submit_or_run(nullptr, done).field(), "call");
  EXPECT_EQUAL(code(engine->rank(nullptr)), kInvalid);
  EXPECT(!engine->cancel(nullptr));
  EXPECT_OK(engine->rank(&asked.call));
}

TEST(a_call_that_is_in_the_engine_is_not_taken_twice) {
  Witness witness;
  auto engine = serving({}, witness);
  witness.close();
  Asked asked({1});
  asked.submit(*engine);
  EXPECT_EQUAL(code(engine->rank(&asked.call)), kPrecondition);
  Status second;
  engine->submit(&asked.call, [&](gerank::Call*, const Status& status) { second = status; });
  EXPECT_EQUAL(code(second), kPrecondition);
  EXPECT(!asked.over());
  witness.open();
  EXPECT_OK(asked.await());
  EXPECT(asked.answered_rightly() && asked.callbacks() == 1);
  EXPECT_OK(engine->rank(&asked.call));  // now it may be used again
}
