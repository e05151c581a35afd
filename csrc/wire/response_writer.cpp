#include "response_writer.h"

#include <cstddef>
#include <cstdint>

#include "protobuf_writer.h"

// The numbers of fields are those of protos/gerank/v1/rerank.proto.

namespace gerank::wire {
namespace {

void write_relaxed(FieldWriter& out, std::int32_t slot, int bits) {
  out.number(1, std::uint64_t(slot));
  out.message(2, [&] {  // a Rule has the number of its bit; weakest first
    for (const int rule : {kRelaxedSpacing, kRelaxedQuotas}) {
      if (bits & rule) out.varint(std::uint64_t(rule));
    }
  });
}

void write_unmet(FieldWriter& out, const Unmet& unmet) {
  out.number(1, std::uint64_t(unmet.rule));  // a Rule has the same number
  out.text(2, unmet.name);
  out.number(3, std::uint64_t(unmet.wanted));
  out.number(4, std::uint64_t(unmet.got));
  out.numbers(5, unmet.slots);
}

void write_slate(FieldWriter& out, std::string_view id, const Query& query, const Slate& slate,
                 std::string_view model_version) {
  out.text(1, id);
  out.numbers(2, slate.slots);
  out.numbers(3, slate.candidates);
  for (const std::int32_t candidate : slate.candidates) {
    if (query.candidate_ids.empty()) {
      out.element(4, std::to_string(candidate));
    } else {
      out.element(4, query.candidate_ids[std::size_t(candidate)]);
    }
  }
  out.floats(5, slate.log_prob);
  for (std::size_t i = 0; i < slate.slots.size(); ++i) {
    const int bits = slate.relaxed[i];
    if (bits != 0) out.message(6, [&] { write_relaxed(out, slate.slots[i], bits); });
  }
  out.number(7, slate.seed);
  out.text(8, model_version);
  for (const Unmet& unmet : slate.unmet) out.message(9, [&] { write_unmet(out, unmet); });
}

void write_timing(FieldWriter& out, const Timing& timing) {
  out.number(1, std::uint64_t(timing.queue_us));
  out.number(2, std::uint64_t(timing.batch_us));
  out.number(3, std::uint64_t(timing.model_us));
}

}  // namespace

std::string write_response(std::span<const std::string_view> ids, const Call& call) {
  FieldWriter out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    out.message(
        1, [&] { write_slate(out, ids[i], call.queries[i], call.slates[i], call.model_version); });
  }
  out.message(2, [&] { write_timing(out, call.timing); });
  return out.take();
}

}  // namespace gerank::wire
