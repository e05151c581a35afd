#include "pages.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace {

using gerank::v1::FeatureBlock;
using gerank::v1::Query;

template <typename T>
T next(std::istream& in) {
  T value;
  if (!(in >> value)) throw std::runtime_error("the pages end early, or hold something else");
  return value;
}

// Numbers as they lie in memory: on a little-endian machine, as the wire wants them.
template <typename T>
std::string next_column(std::istream& in, std::size_t count) {
  std::string bytes(count * sizeof(T), '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const T value = next<T>(in);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

// All features of one type travel in one block: side by side, row by row.
FeatureBlock* add_block(google::protobuf::RepeatedPtrField<FeatureBlock>* blocks,
                        const std::vector<std::string>& names) {
  FeatureBlock* block = blocks->Add();
  block->mutable_names()->Add(names.begin(), names.end());
  return block;
}

void read_side(std::istream& in, const Side& side, std::size_t rows,
               google::protobuf::RepeatedPtrField<FeatureBlock>* blocks) {
  if (!side.dense.empty()) {
    add_block(blocks, side.dense)->set_float32_le(next_column<float>(in, rows * side.dense.size()));
  }
  if (!side.ids.empty()) {
    add_block(blocks, side.ids)->set_int64_le(next_column<int64_t>(in, rows * side.ids.size()));
  }
}

void read_dedup_keys(std::istream& in, int count, Query* query) {
  auto* keys = query->mutable_dedup_keys();
  for (int m = 0; m < count; ++m) {
    keys->add_ints(next<int64_t>(in));
    keys->add_present(keys->ints(m) >= 0);
  }
}

void read_rules(std::istream& in, const Wanted& wanted, Query* query) {
  for (int pins = next<int>(in); pins > 0; --pins) {
    auto* pin = query->add_pins();
    pin->set_slot(next<int>(in));
    pin->set_candidate(next<int>(in));
  }
  for (const std::string& group : wanted.groups) {
    const int window = next<int>(in), cap = next<int>(in);
    if (window == 0) continue;  // no rule
    auto* rule = query->add_spacing();
    rule->set_group(group);
    rule->set_window(window);
    rule->set_cap(cap);
  }
  for (const std::string& flag : wanted.flags) {
    auto* rule = query->add_quotas();
    rule->set_flag(flag);
    rule->set_min(next<int>(in));
    const int most = next<int>(in);
    if (most >= 0) rule->set_max(most);
  }
  for (const std::string& utility : wanted.utilities) {
    (*query->mutable_weights())[utility] = next<double>(in);
  }
}

void read_page(std::istream& in, const Wanted& wanted, Query* query) {
  const int count = next<int>(in);
  query->set_candidate_count(count);
  query->set_slots(next<int>(in));
  query->set_seed(next<uint64_t>(in));
  query->set_mode(next<int>(in) != 0 ? gerank::v1::MODE_GREEDY : gerank::v1::MODE_SAMPLE);
  query->set_temperature(next<double>(in));
  read_side(in, wanted.user, 1, query->mutable_user_features());
  read_side(in, wanted.candidate, std::size_t(count), query->mutable_candidate_features());
  read_dedup_keys(in, count, query);
  read_rules(in, wanted, query);
}

}  // namespace

std::vector<gerank::v1::RerankRequest> read_pages(std::istream& in, const Wanted& wanted) {
  std::vector<gerank::v1::RerankRequest> requests(next<std::size_t>(in));
  for (auto& request : requests) read_page(in, wanted, request.add_queries());
  return requests;
}
