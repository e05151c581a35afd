#include "pages.h"

#include <cstdint>
#include <cstring>
#include <iomanip>
#include <stdexcept>
#include <string>

namespace {

using gerank::v1::DedupKeys;
using gerank::v1::FeatureBlock;
using gerank::v1::Query;

template <typename T>
T next(std::istream& in) {
  T value;
  if (!(in >> value)) throw std::runtime_error("the pages end early, or hold something else");
  return value;
}

std::string next_name(std::istream& in) {
  std::string name;
  if (!(in >> std::quoted(name))) throw std::runtime_error("the pages end early");
  return name;
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

void read_dedup_keys(std::istream& in, int count, DedupKeys* keys) {
  for (int m = 0; m < count; ++m) {
    keys->add_ints(next<int64_t>(in));
    keys->add_present(keys->ints(m) >= 0);
  }
}

void read_above(std::istream& in, Query* query) {
  const int count = next<int>(in);
  std::vector<std::string> names(next<std::size_t>(in));
  for (std::string& name : names) name = next_name(in);
  if (count == 0) return;
  auto* above = query->mutable_above();
  above->set_count(count);
  if (!names.empty()) {
    add_block(above->mutable_features(), names)
        ->set_int64_le(next_column<int64_t>(in, std::size_t(count) * names.size()));
  }
  read_dedup_keys(in, count, above->mutable_dedup_keys());
}

void read_rules(std::istream& in, Query* query) {
  for (int pins = next<int>(in); pins > 0; --pins) {
    auto* pin = query->add_pins();
    pin->set_slot(next<int>(in));
    pin->set_candidate(next<int>(in));
  }
  for (int rules = next<int>(in); rules > 0; --rules) {
    auto* rule = query->add_spacing();
    rule->set_group(next_name(in));
    rule->set_window(next<int>(in));
    rule->set_cap(next<int>(in));
  }
  for (int rules = next<int>(in); rules > 0; --rules) {
    auto* rule = query->add_quotas();
    rule->set_flag(next_name(in));
    rule->set_min(next<int>(in));
    const int most = next<int>(in);
    if (most >= 0) rule->set_max(most);
  }
  for (int weights = next<int>(in); weights > 0; --weights) {
    double& weight = (*query->mutable_weights())[next_name(in)];
    weight = next<double>(in);
  }
}

void read_page(std::istream& in, const Wanted& wanted, Query* query) {
  const int count = next<int>(in);
  query->set_candidate_count(count);
  query->set_slots(next<int>(in));
  query->set_seed(next<uint64_t>(in));
  query->set_preset(next_name(in));
  const int greedy = next<int>(in);
  if (greedy >= 0) {
    query->set_mode(greedy != 0 ? gerank::v1::MODE_GREEDY : gerank::v1::MODE_SAMPLE);
  }
  const auto temperature = next<double>(in);
  if (temperature > 0) query->set_temperature(temperature);
  read_side(in, wanted.user, 1, query->mutable_user_features());
  read_side(in, wanted.candidate, std::size_t(count), query->mutable_candidate_features());
  read_dedup_keys(in, count, query->mutable_dedup_keys());
  read_above(in, query);
  read_rules(in, query);
}

}  // namespace

std::vector<gerank::v1::RerankRequest> read_pages(std::istream& in, const Wanted& wanted) {
  std::vector<gerank::v1::RerankRequest> requests(next<std::size_t>(in));
  for (auto& request : requests) read_page(in, wanted, request.add_queries());
  return requests;
}
