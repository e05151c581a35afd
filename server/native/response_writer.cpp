#include "response_writer.h"

#include <array>
#include <cstddef>
#include <utility>

namespace gerank::server {
namespace {

// Bit of Slate::relaxed -> rule; weakest first.
constexpr std::array<std::pair<RelaxedRule, v1::Rule>, 2> kRules = {
    {{kRelaxedSpacing, v1::RULE_SPACING}, {kRelaxedQuotas, v1::RULE_QUOTAS}}};

void write_relaxed(const Slate& slate, v1::Slate* message) {
  for (size_t i = 0; i < slate.slots.size(); ++i) {
    if (slate.relaxed[i] == 0) continue;
    v1::RelaxedSlot* relaxed = message->add_relaxed();
    relaxed->set_slot(slate.slots[i]);
    for (const auto& [bit, rule] : kRules) {
      if (slate.relaxed[i] & bit) relaxed->add_rules(rule);
    }
  }
}

}  // namespace

void write_slate(const wire::Query& query, const Slate& slate, const std::string& model_version,
                 v1::RerankResponse* response) {
  v1::Slate* message = response->add_slates();
  message->set_id(query.id());
  message->mutable_slots()->Add(slate.slots.begin(), slate.slots.end());
  message->mutable_candidates()->Add(slate.candidates.begin(), slate.candidates.end());
  message->mutable_log_prob()->Add(slate.log_prob.begin(), slate.log_prob.end());
  const bool named = query.candidate_ids_size() > 0;
  message->mutable_candidate_ids()->Reserve(int(slate.candidates.size()));
  for (const int32_t candidate : slate.candidates) {
    if (named) {
      message->add_candidate_ids(query.candidate_ids(candidate));
    } else {
      message->add_candidate_ids(std::to_string(candidate));
    }
  }
  write_relaxed(slate, message);
  message->set_seed(slate.seed);
  message->set_model_version(model_version);
}

}  // namespace gerank::server
