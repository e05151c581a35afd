// What a model answers is held against the request before anybody goes by it.

#include <gerank/ranker.h>

#include <limits>
#include <string>

#include "manual_clock.h"
#include "stand_in.h"

using gerank::Code;
using gerank::Microseconds;
using gerank::PaddedAnswer;
using gerank::PaddedBatch;

namespace {

constexpr float kSpoiledAge = 13;
constexpr std::int64_t kBeyond = 1'000'000;

// Calls `change(slates, log_prob, batch)` with the rows of every query whose user is 13.
template <typename Change>
void spoil_thirteen(Witness& witness, Change change) {
  witness.spoil = [change](const PaddedBatch& batch, const PaddedAnswer& answer) {
    for (std::int64_t b = 0; b < batch.B; ++b) {
      if (batch.user_dense[b] != kSpoiledAge) continue;
      change(answer.slates + b * batch.N, answer.log_prob + b * batch.N);
    }
  };
}

// The message with which a lone call of three candidates and six slots fails.
template <typename Change>
std::string complaint(Change change) {
  Witness witness;
  spoil_thirteen(witness, change);
  auto engine = serving({}, witness);
  Asked asked({kSpoiledAge});
  asked.submit(*engine);
  const gerank::Status status = asked.await();
  EXPECT_EQUAL(static_cast<int>(status.code()), static_cast<int>(Code::kInternal));
  Page page(kSpoiledAge);
  gerank::Slate slate;
  const gerank::Status direct = stand_in(witness, "v1")->rank({&page.query, 1}, {&slate, 1});
  EXPECT_EQUAL(direct.message(), status.message());
  return status.message();
}

}  // namespace

TEST(an_answer_that_is_no_slate_of_the_request_is_an_internal_error_that_says_why) {
  EXPECT_EQUAL(complaint([](auto* slates, float*) { slates[0] = kBeyond; }),
               "the model answered candidate 1000000 at slot 0, which the request does not have");
  EXPECT_EQUAL(complaint([](auto* slates, float*) { slates[0] = 3; }),
               "the model answered candidate 3 at slot 0, which the request does not have");
  EXPECT_EQUAL(complaint([](auto* slates, float*) { slates[2] = -7; }),
               "the model answered candidate -7 at slot 2, which the request does not have");
  EXPECT_EQUAL(complaint([](auto* slates, float*) { slates[2] = 0; }),
               "the model answered candidate 0 at slot 2, which stands further up already");
  EXPECT_EQUAL(complaint([](auto*, float* log_prob) {
                 log_prob[1] = std::numeric_limits<float>::quiet_NaN();
               }),
               "the model answered candidate 1 at slot 1 with a log_prob that is not finite");
  EXPECT_EQUAL(complaint([](auto*, float* log_prob) { log_prob[1] = 0.5f; }),
               "the model answered candidate 1 at slot 1 with a log_prob above zero");
}

TEST(a_relaxed_rule_that_does_not_exist_is_an_internal_error) {
  Witness witness;
  witness.spoil = [](const PaddedBatch&, const PaddedAnswer& answer) { answer.relaxed[0] = 4; };
  Page page(1);
  gerank::Slate slate;
  const gerank::Status status = stand_in(witness, "v1")->rank({&page.query, 1}, {&slate, 1});
  EXPECT_EQUAL(status.message(),
               "the model answered candidate 0 at slot 0 with a relaxed rule that does not exist");
}

TEST(a_candidate_behind_the_last_slot_of_its_request_is_an_internal_error) {
  Witness witness;
  // Two pages of one batch: six slots, and two.
  spoil_thirteen(witness, [](auto* slates, float*) { slates[2] = 2; });
  Page wide(1, 6), narrow(kSpoiledAge, 6);
  narrow.query.slots = 2;
  const gerank::Query queries[] = {wide.query, narrow.query};
  gerank::Slate slates[2];
  const gerank::Status status = stand_in(witness, "v1")->rank(queries, slates);
  EXPECT_EQUAL(status.message(),
               "the model answered candidate 2 at slot 2, behind the last slot of the request");
}

TEST(a_model_that_writes_to_its_inputs_cannot_widen_what_is_allowed) {
  Witness witness;
  witness.spoil = [](const PaddedBatch& batch, const PaddedAnswer& answer) {
    for (std::int64_t m = 0; m < batch.B * batch.M; ++m) {
      const_cast<bool*>(batch.candidate_mask)[m] = true;
    }
    answer.slates[0] = batch.M - 1;
  };
  Page few(1, 2), many(2, 5);
  const gerank::Query queries[] = {few.query, many.query};
  gerank::Slate slates[2];
  const gerank::Status status = stand_in(witness, "v1")->rank(queries, slates);
  EXPECT_EQUAL(status.message(),
               "the model answered candidate 4 at slot 0, which the request does not have");
}

TEST(a_wrong_answer_fails_its_own_call_and_no_other_one_of_the_batch) {
  ManualClock clock;
  Witness witness;
  spoil_thirteen(witness, [](auto* slates, float*) { slates[0] = kBeyond; });
  gerank::EngineOptions options;
  options.clock = &clock;
  options.max_delay = Microseconds(1000);
  options.max_batch = 4;
  auto engine = serving(options, witness);
  Asked before({1}), spoiled({2, kSpoiledAge}), after({3});
  before.submit(*engine);
  spoiled.submit(*engine);
  after.submit(*engine);
  EXPECT_OK(before.await());
  EXPECT_EQUAL(static_cast<int>(spoiled.await().code()), static_cast<int>(Code::kInternal));
  EXPECT_OK(after.await());
  EXPECT_EQUAL(witness.forwards(), 1);
  EXPECT(before.answered_rightly() && after.answered_rightly());
  EXPECT_EQUAL(engine->stats().answered, 2u);
}
