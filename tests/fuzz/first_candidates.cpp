#include "first_candidates.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace {

using gerank::Status;

// The sizes are small, so that fuzzers reach every rule by few bytes.
constexpr const char* kContract = R"({
  "features": {
    "user": [{"name": "age", "kind": "dense", "minimum": null, "maximum": null}],
    "candidate": [
      {"name": "score", "kind": "dense", "minimum": null, "maximum": null},
      {"name": "seller", "kind": "id", "vocabulary": 64, "hashed": true, "values": []},
      {"name": "fresh", "kind": "id", "vocabulary": 2, "hashed": false, "values": []}]},
  "groups": ["seller"], "flags": ["fresh"],
  "limits": {"candidates": 12, "slots": 6},
  "weights": {"clicks": {"min": 0.0, "max": 2.0, "default": 1.0}}})";

// Pins stand where they belong; the other slots get the other candidates, in order.
void fill(const gerank::PaddedBatch& batch, std::int64_t b, const gerank::PaddedAnswer& answer) {
  const std::int64_t* const pins = batch.pins + b * batch.N;
  const bool* const real = batch.candidate_mask + b * batch.M;
  const auto is_taken = [&](std::int64_t m) {
    return !real[m] || std::find(pins, pins + batch.N, m) != pins + batch.N;
  };
  std::int64_t next = 0;
  for (std::int64_t n = 0; n < batch.N; ++n) {
    while (next < batch.M && is_taken(next)) ++next;
    const bool is_filled = n < batch.slots[b] && next < batch.M;
    const std::int64_t at = b * batch.N + n;
    answer.slates[at] = pins[n] >= 0 ? pins[n] : is_filled ? next++ : -1;
    answer.log_prob[at] = 0;
    answer.relaxed[at] = 0;
  }
}

class FirstCandidates final : public gerank::Model {
 public:
  Status run(const gerank::PaddedBatch& batch, const gerank::PaddedAnswer& answer) const override {
    for (std::int64_t b = 0; b < batch.B; ++b) fill(batch, b, answer);
    return {};
  }
};

void must(const Status& status) {
  if (status) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::abort();
}

}  // namespace

std::unique_ptr<gerank::Engine> start_engine() {
  std::unique_ptr<gerank::Engine> engine;
  must(gerank::Engine::start({}, &engine));
  std::shared_ptr<const gerank::Ranker> ranker;
  must(gerank::Ranker::make(kContract, "fuzzed", std::make_unique<FirstCandidates>(), &ranker));
  must(engine->publish("default", std::move(ranker)));
  return engine;
}
