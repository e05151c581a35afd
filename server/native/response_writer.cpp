#include "response_writer.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "wire_writer.h"

namespace gerank::server {
namespace {

// Bit of Slate::relaxed -> rule; weakest first.
constexpr std::array<std::pair<RelaxedRule, wire::Rule>, 2> kRules = {
    {{kRelaxedSpacing, wire::RULE_SPACING}, {kRelaxedQuotas, wire::RULE_QUOTAS}}};

template <typename Out>
void write_ids(Out& out, const wire::Query& query, const Slate& slate) {
  const bool named = query.candidate_ids_size() > 0;
  for (const std::int32_t candidate : slate.candidates) {
    if (named) {
      write_element(out, wire::Slate::kCandidateIdsFieldNumber, query.candidate_ids(candidate));
    } else {
      write_element(out, wire::Slate::kCandidateIdsFieldNumber, std::to_string(candidate));
    }
  }
}

template <typename Out>
void write_relaxed(Out& out, const Slate& slate) {
  for (std::size_t i = 0; i < slate.slots.size(); ++i) {
    const int bits = slate.relaxed[i];
    if (bits == 0) continue;
    write_message(out, wire::Slate::kRelaxedFieldNumber, [&](auto& relaxed) {
      write_number(relaxed, wire::RelaxedSlot::kSlotFieldNumber, slate.slots[i]);
      write_message(relaxed, wire::RelaxedSlot::kRulesFieldNumber, [bits](auto& packed) {
        for (const auto& [bit, rule] : kRules) {
          if (bits & bit) packed.varint(rule);
        }
      });
    });
  }
}

template <typename Out>
void write_slate(Out& out, const wire::Query& query, const Slate& slate,
                 const std::string& model_version) {
  write_text(out, wire::Slate::kIdFieldNumber, query.id());
  write_numbers(out, wire::Slate::kSlotsFieldNumber, slate.slots);
  write_numbers(out, wire::Slate::kCandidatesFieldNumber, slate.candidates);
  write_ids(out, query, slate);
  write_floats(out, wire::Slate::kLogProbFieldNumber, slate.log_prob);
  write_relaxed(out, slate);
  write_number(out, wire::Slate::kSeedFieldNumber, std::int64_t(slate.seed));
  write_text(out, wire::Slate::kModelVersionFieldNumber, model_version);
}

template <typename Out>
void write_timing(Out& out, const Timing& timing) {
  write_number(out, wire::Timing::kQueueUsFieldNumber, timing.queue_us);
  write_number(out, wire::Timing::kBatchUsFieldNumber, timing.batch_us);
  write_number(out, wire::Timing::kModelUsFieldNumber, timing.model_us);
}

}  // namespace

grpc::ByteBuffer write_response(const wire::RerankRequest& request, const Call& call) {
  const auto body = [&](auto& out) {
    for (int i = 0; i < request.queries_size(); ++i) {
      write_message(out, wire::RerankResponse::kSlatesFieldNumber, [&](auto& slate) {
        write_slate(slate, request.queries(i), call.slates[std::size_t(i)], call.model_version);
      });
    }
    write_message(out, wire::RerankResponse::kTimingFieldNumber,
                  [&](auto& timing) { write_timing(timing, call.timing); });
  };
  grpc::Slice slice(wire_size(body));
  WireBytes bytes(const_cast<std::uint8_t*>(slice.begin()));
  body(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace gerank::server
