#include "infer_response.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "wire/protobuf_writer.h"

// The numbers of fields are those of protos/inference/grpc_service.proto.

namespace gerank::server::inference {
namespace {

using wire::FieldWriter;

// The elements of a tensor as raw contents, little-endian.
class RawElements {
 public:
  template <typename Number>
  void number(Number number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }

  void text(std::string_view text) {
    number(std::uint32_t(text.size()));
    bytes_.append(text);
  }

  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class OutputTensors {
 public:
  OutputTensors(const Call& call, std::size_t slots) : call_(call), slots_(slots) {
    for (const Slate& slate : call.slates) {
      if (!slate.slots.empty()) slots_ = std::max(slots_, std::size_t(slate.slots.back()) + 1);
      rules_ = std::max(rules_, slate.unmet.size());
      for (const Unmet& unmet : slate.unmet) {
        rule_slots_ = std::max(rule_slots_, unmet.slots.size());
      }
    }
  }

  std::vector<std::size_t> shape_of(Output output) const {
    const std::size_t pages = call_.slates.size();
    switch (kOutputs[std::size_t(output)].extent) {
      case Extent::kSlots:
        return {pages, slots_};
      case Extent::kUnmet:
        return {pages, rules_};
      case Extent::kUnmetSlots:
        return {pages, rules_, rule_slots_};
      default:
        return {pages, 1};
    }
  }

  std::string elements_of(Output output) const {
    RawElements out;
    for (std::size_t page = 0; page < call_.slates.size(); ++page) write(output, page, out);
    return out.take();
  }

 private:
  void write(Output output, std::size_t page, RawElements& out) const {
    const Slate& slate = call_.slates[page];
    switch (output) {
      case Output::kOrder:
        return per_slot(
            slate, [&](std::size_t i) { out.number(slate.candidates[i]); },
            [&] { out.number(std::int32_t{-1}); });
      case Output::kCandidateIds:
        return per_slot(
            slate, [&](std::size_t i) { write_id(page, slate.candidates[i], out); },
            [&] { out.text(""); });
      case Output::kLogProb:
        return per_slot(
            slate, [&](std::size_t i) { out.number(slate.log_prob[i]); },
            [&] { out.number(0.0f); });
      case Output::kRelaxed:
        return per_slot(
            slate, [&](std::size_t i) { out.number(std::int32_t(slate.relaxed[i])); },
            [&] { out.number(std::int32_t{0}); });
      case Output::kSeed:
        return out.number(slate.seed);
      default:
        return write_unmet(output, slate, out);
    }
  }

  // Calls `filled` with the place of each slot's entry, or `open` where it has none.
  template <typename Filled, typename Open>
  void per_slot(const Slate& slate, const Filled& filled, const Open& open) const {
    std::size_t i = 0;
    for (std::size_t slot = 0; slot < slots_; ++slot) {
      if (i < slate.slots.size() && std::size_t(slate.slots[i]) == slot) {
        filled(i++);
      } else {
        open();
      }
    }
  }

  void write_id(std::size_t page, std::int32_t candidate, RawElements& out) const {
    const auto ids = call_.queries[page].candidate_ids;
    ids.empty() ? out.text(std::to_string(candidate)) : out.text(ids[std::size_t(candidate)]);
  }

  void write_unmet(Output output, const Slate& slate, RawElements& out) const {
    const Unmet none{};
    for (std::size_t i = 0; i < rules_; ++i) {
      const bool is_there = i < slate.unmet.size();
      const Unmet& unmet = is_there ? slate.unmet[i] : none;
      switch (output) {
        case Output::kUnmetRule:  // a gerank.v1.Rule has the same number
          out.number(is_there ? std::int32_t(unmet.rule) : 0);
          break;
        case Output::kUnmetName:
          out.text(unmet.name);
          break;
        case Output::kUnmetWanted:
          out.number(unmet.wanted);
          break;
        case Output::kUnmetGot:
          out.number(unmet.got);
          break;
        default:
          for (std::size_t s = 0; s < rule_slots_; ++s) {
            out.number(s < unmet.slots.size() ? unmet.slots[s] : std::int32_t{-1});
          }
      }
    }
  }

  const Call& call_;
  std::size_t slots_, rules_ = 0, rule_slots_ = 0;  // N, K and S
};

void write_time(FieldWriter& out, std::string_view name, std::int64_t microseconds) {
  out.message(4, [&] {  // an entry of a map
    out.text(1, name);
    out.message(2, [&] { out.optional_number(2, std::uint64_t(microseconds)); });
  });
}

}  // namespace

std::string write_response(const Echo& echo, const Call& call) {
  const OutputTensors tensors(call, echo.slots);
  FieldWriter out;
  out.text(1, echo.model);
  out.text(2, call.model_version);
  out.text(3, echo.id);
  write_time(out, "queue_us", call.timing.queue_us);
  write_time(out, "batch_us", call.timing.batch_us);
  write_time(out, "model_us", call.timing.model_us);
  for (const Output output : echo.outputs) {
    const TensorKind& kind = kOutputs[std::size_t(output)];
    out.message(5, [&] {
      out.text(1, kind.name);
      out.text(2, name_of(kind.type));
      out.message(3, [&] {  // packed
        for (const std::size_t size : tensors.shape_of(output)) out.varint(size);
      });
    });
  }
  for (const Output output : echo.outputs) out.element(6, tensors.elements_of(output));
  return out.take();
}

}  // namespace gerank::server::inference
