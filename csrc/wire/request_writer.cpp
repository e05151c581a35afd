#include "request_writer.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "protobuf_writer.h"

// The numbers of fields are those of protos/gerank/v1/rerank.proto.

namespace gerank::wire {
namespace {

enum Mode : std::uint64_t { kGreedy = 1, kSample = 2 };

std::string as_float32(const FeatureBlock& block) {
  std::string narrow(block.bytes / 2, '\0');
  for (std::size_t at = 0; at + 8 <= block.bytes; at += 8) {
    double wide;
    std::memcpy(&wide, static_cast<const char*>(block.values) + at, 8);
    const float value = float(wide);
    std::memcpy(&narrow[at / 2], &value, 4);
  }
  return narrow;
}

void write_block(FieldWriter& out, const FeatureBlock& block) {
  for (const std::string_view name : block.names) out.element(1, name);
  const std::string_view values(static_cast<const char*>(block.values), block.bytes);
  switch (block.type) {
    case ColumnType::kFloat32:
      return out.text(2, values);
    case ColumnType::kFloat64:
      return out.text(2, as_float32(block));
    case ColumnType::kInt64:
      return out.text(3, values);
  }
}

void write_blocks(FieldWriter& out, std::uint32_t field, std::span<const FeatureBlock> blocks) {
  for (const FeatureBlock& block : blocks) out.message(field, [&] { write_block(out, block); });
}

void write_keys(FieldWriter& out, std::uint32_t field, const std::optional<DedupKeys>& keys) {
  if (!keys) return;
  out.message(field, [&] {
    out.text(1, {static_cast<const char*>(keys->values), keys->bytes});
    if (keys->present.empty()) return;
    out.message(3, [&] {  // packed
      for (const bool present : keys->present) out.varint(present);
    });
  });
}

void write_above(FieldWriter& out, const Above& above) {
  if (above.count == 0) return;
  out.message(16, [&] {
    out.number(1, std::uint64_t(above.count));
    write_blocks(out, 2, above.features);
    write_keys(out, 3, above.dedup_keys);
  });
}

void write_rules(FieldWriter& out, const Query& query) {
  for (const Pin& pin : query.pins) {
    out.message(7, [&] {
      out.number(1, std::uint64_t(pin.slot));
      out.number(2, std::uint64_t(pin.candidate));
    });
  }
  write_keys(out, 8, query.dedup_keys);
  for (const Spacing& rule : query.spacing) {
    out.message(9, [&] {
      out.text(1, rule.group);
      out.number(2, std::uint64_t(rule.window));
      out.number(3, std::uint64_t(rule.cap));
    });
  }
  for (const Quota& rule : query.quotas) {
    out.message(10, [&] {
      out.text(1, rule.flag);
      out.number(2, std::uint64_t(rule.min));
      if (rule.max) out.optional_number(3, std::uint64_t(*rule.max));
    });
  }
  for (const Weight& weight : query.weights) {
    out.message(11, [&] {
      out.text(1, weight.utility);
      out.optional_real(2, weight.value);
    });
  }
}

void write_query(FieldWriter& out, std::string_view id, const Query& query) {
  out.text(1, id);
  out.number(2, std::uint64_t(query.candidate_count));
  write_blocks(out, 3, query.user_features);
  write_blocks(out, 4, query.candidate_features);
  for (const std::string_view name : query.candidate_ids) out.element(5, name);
  out.number(6, std::uint64_t(query.slots.value_or(0)));
  write_rules(out, query);
  if (query.seed) out.optional_number(12, *query.seed);
  if (query.greedy) out.number(13, *query.greedy ? kGreedy : kSample);
  if (query.temperature) out.optional_real(14, *query.temperature);
  out.text(15, query.preset);
  write_above(out, query.above);
}

}  // namespace

std::string write_request(std::span<const std::string_view> ids, const Call& call) {
  FieldWriter out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    out.message(1, [&] { write_query(out, ids[i], call.queries[i]); });
  }
  out.text(2, call.model);
  out.text(3, call.version);
  return out.take();
}

}  // namespace gerank::wire
