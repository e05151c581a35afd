// A process that a fork made has the engine's memory and none of its threads.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "stand_in.h"

using gerank::Code;
using gerank::Status;

namespace {

// Runs `what` in a forked process, which has ten seconds; returns what waitpid tells.
int in_a_fork(const std::function<void()>& what) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    try {
      what();
      _exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the forked process: %s\n", error.what());
      _exit(1);
    }
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST(in_a_forked_process_every_method_fails_at_once_by_name_and_the_parent_goes_on) {
  Witness witness;
  auto engine = serving({}, witness);
  const auto ranker = engine->find();
  witness.close();
  Asked running({1}), queued({2});
  running.submit(*engine);
  witness.await_forwards(1);
  queued.submit(*engine);
  const int parent = getpid();
  const int outcome = in_a_fork([&] {
    Asked blocking({3}), asked({4});
    asked.submit(*engine);
    const Status all[] = {asked.await(),
                          engine->rank(&blocking.call),
                          engine->expect(1, gerank::kNever),
                          engine->publish("feed", ranker),
                          engine->load("feed", "/nowhere/model.gerank"),
                          engine->make_current("feed", "v1"),
                          engine->retire("feed"),
                          engine->drain(),
                          engine->stop(),
                          engine->usable()};
    for (const Status& status : all) {
      EXPECT(status.code() == Code::kFailedPrecondition);
      EXPECT_EQUAL(status.message(), "this engine was made in process " + std::to_string(parent) +
                                         ", and this is process " + std::to_string(getpid()) +
                                         ", which a fork made: make an engine of its own here");
    }
    EXPECT(engine->find() == nullptr && engine->models().empty());
    EXPECT(engine->stats().accepted == 0 && !engine->cancel(&queued.call));
    engine.reset();  // joins nothing
    EXPECT_EQUAL(witness.alive.load(), 1);
  });
  EXPECT_EQUAL(outcome, 0);
  witness.open();
  EXPECT_OK(running.await());
  EXPECT_OK(queued.await());
}
