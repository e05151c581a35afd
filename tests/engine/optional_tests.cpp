// Features that a query may leave out, and features that an artifact does not know.

#include <string>
#include <utility>
#include <vector>

#include "stand_in.h"

using gerank::Code;
using gerank::UnknownFeatures;

namespace {

// The contract of the stand-in with a candidate feature more, which has a default, and without
// `fresh`.
const char* const kOther = R"({
  "features": {
    "user": [{"name": "age", "kind": "dense", "minimum": null, "maximum": null}],
    "candidate": [
      {"name": "urgency", "kind": "dense", "minimum": null, "maximum": null, "default": 0.25},
      {"name": "score", "kind": "dense", "minimum": null, "maximum": null},
      {"name": "seller", "kind": "id", "vocabulary": 64, "hashed": true, "values": []},
      {"name": "brand", "kind": "id", "vocabulary": 5, "hashed": false, "values": [],
       "default": 3}]},
  "groups": ["seller"], "flags": [],
  "limits": {"candidates": 12, "slots": 6},
  "weights": {"clicks": {"min": 0.0, "max": 2.0, "default": 1.0}}})";

std::shared_ptr<const gerank::Ranker> other_model(Witness& witness) {
  std::shared_ptr<const gerank::Ranker> ranker;
  EXPECT_OK(gerank::Ranker::make(kOther, "v2", std::make_unique<StandIn>(witness), &ranker));
  return ranker;
}

struct Seen {
  std::vector<float> dense;
  std::vector<std::int64_t> ids;
};

// What the model sees of the candidates of the last batch.
void record(Witness& witness, Seen* seen) {
  witness.spoil = [seen](const gerank::PaddedBatch& batch, const gerank::PaddedAnswer&) {
    const auto rows = static_cast<std::size_t>(batch.B * batch.M);
    seen->dense.assign(batch.candidate_dense, batch.candidate_dense + rows * 2);
    seen->ids.assign(batch.candidate_ids, batch.candidate_ids + rows * 2);
  };
}

gerank::EngineOptions ignoring() {
  gerank::EngineOptions options;
  options.unknown_features = UnknownFeatures::kIgnore;
  return options;
}

}  // namespace

TEST(an_optional_feature_has_its_default_and_an_unknown_one_is_ignored_and_counted) {
  Witness witness;
  Seen seen;
  record(witness, &seen);
  auto engine = started(ignoring());
  EXPECT_OK(engine->publish("feed", other_model(witness)));
  for (int round = 1; round <= 3; ++round) {
    Asked asked({7});
    asked.submit(*engine);
    EXPECT_OK(asked.await());
    EXPECT(asked.answered_rightly());
    EXPECT(seen.dense == std::vector<float>({0.25f, 0.5f, 0.25f, 0.5f, 0.25f, 0.5f}));
    EXPECT(seen.ids == std::vector<std::int64_t>({1, 3, 1, 3, 1, 3}));
    EXPECT_EQUAL(engine->stats().ignored_features, static_cast<std::uint64_t>(round));  // fresh
  }
}

TEST(an_unknown_feature_is_refused_by_an_engine_that_is_not_told_to_ignore_it) {
  Witness witness;
  auto lenient = started(ignoring()), strict = started({});
  EXPECT_OK(lenient->publish("feed", other_model(witness)));
  EXPECT_OK(strict->publish("feed", lenient->find("feed")));
  // In turns and on one thread, which remembers names that were found.
  for (int round = 0; round < 3; ++round) {
    Asked passes({7}), fails({7});
    passes.submit(*lenient);
    EXPECT_OK(passes.await());
    fails.submit(*strict);
    const gerank::Status refused = fails.await();
    EXPECT_EQUAL(static_cast<int>(refused.code()), static_cast<int>(Code::kInvalidArgument));
    EXPECT(refused.message().find("candidates.fresh") != std::string::npos);
  }
}

TEST(names_that_were_found_before_keep_defaults_and_what_is_ignored) {
  Witness witness;
  Seen seen;
  record(witness, &seen);
  auto engine = started(ignoring());
  EXPECT_OK(engine->publish("feed", other_model(witness)));
  Page page(7);
  for (gerank::FeatureBlock& block : page.features) block.names_id = gerank::new_names_id();
  for (gerank::FeatureBlock& block : page.user) block.names_id = gerank::new_names_id();
  gerank::Call call;
  call.queries = {&page.query, 1};
  for (int round = 1; round <= 3; ++round) {
    page.scores.assign(3, static_cast<float>(round));
    EXPECT_OK(engine->rank(&call));
    const float score = static_cast<float>(round);
    EXPECT(seen.dense == std::vector<float>({0.25f, score, 0.25f, score, 0.25f, score}));
    EXPECT(seen.ids == std::vector<std::int64_t>({1, 3, 1, 3, 1, 3}));
    EXPECT_EQUAL(engine->stats().ignored_features, static_cast<std::uint64_t>(round));
  }
}

TEST(a_feature_without_a_default_is_still_asked_for) {
  Witness witness;
  auto engine = started(ignoring());
  EXPECT_OK(engine->publish("feed", other_model(witness)));
  Page page(7);
  page.features.pop_back();  // seller and fresh
  page.query.candidate_features = page.features;
  gerank::Call call;
  call.queries = {&page.query, 1};
  const gerank::Status refused = engine->rank(&call);
  EXPECT_EQUAL(static_cast<int>(refused.code()), static_cast<int>(Code::kInvalidArgument));
  EXPECT(refused.message().find("candidates.seller") != std::string::npos);
}

TEST(a_default_that_is_no_value_of_its_feature_makes_a_contract_malformed) {
  std::string spoiled = kOther;
  spoiled.replace(spoiled.find("\"default\": 3"), 12, "\"default\": 5");
  gerank::Contract contract;
  const gerank::Status status = gerank::Contract::parse(spoiled, &contract);
  EXPECT_EQUAL(static_cast<int>(status.code()), static_cast<int>(Code::kFailedPrecondition));
  EXPECT(status.message().find("default") != std::string::npos);
}
