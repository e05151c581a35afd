#include "pages.h"

#include <iomanip>
#include <stdexcept>

namespace {

template <typename T>
T next(std::istream& in) {
  T value;
  if (!(in >> value)) throw std::runtime_error("the pages end early, or hold something else");
  return value;
}

template <typename T>
std::vector<T> next(std::istream& in, std::size_t count) {
  std::vector<T> values(count);
  for (T& value : values) value = next<T>(in);
  return values;
}

}  // namespace

Page::Page(std::istream& in, const gerank::Contract& contract) {
  query_.candidate_count = next<std::int64_t>(in);
  if (const auto slots = next<std::int64_t>(in); slots > 0) query_.slots = slots;
  query_.seed = next<std::uint64_t>(in);
  query_.preset = next_name(in);
  if (const int greedy = next<int>(in); greedy >= 0) query_.greedy = greedy != 0;
  if (const auto temperature = next<double>(in); temperature > 0) query_.temperature = temperature;
  const auto count = static_cast<std::size_t>(query_.candidate_count);
  read_side(in, contract.user, 1, &user_);
  read_side(in, contract.candidate, count, &candidates_);
  query_.user_features = user_.blocks;
  query_.candidate_features = candidates_.blocks;
  query_.dedup_keys = read_keys(in, count, &keys_);
  read_above(in);
  read_rules(in);
}

void Page::read_side(std::istream& in, const std::vector<gerank::Feature>& features,
                     std::size_t rows, Side* side) {
  for (const gerank::Feature& feature : features) {
    (feature.dense ? side->dense_names : side->id_names).push_back(feature.name);
  }
  side->dense = next<float>(in, rows * side->dense_names.size());
  side->ids = next<std::int64_t>(in, rows * side->id_names.size());
  if (!side->dense.empty()) {
    side->blocks.push_back({side->dense_names, gerank::ColumnType::kFloat32, side->dense.data(),
                            side->dense.size() * sizeof(float)});
  }
  if (!side->ids.empty()) {
    side->blocks.push_back({side->id_names, gerank::ColumnType::kInt64, side->ids.data(),
                            side->ids.size() * sizeof(std::int64_t)});
  }
}

std::string_view Page::next_name(std::istream& in) {
  std::string& name = names_.emplace_back();
  if (!(in >> std::quoted(name))) throw std::runtime_error("the pages end early");
  return name;
}

gerank::DedupKeys Page::read_keys(std::istream& in, std::size_t count, Keys* keys) {
  keys->values = next<std::int64_t>(in, count);  // -1: none
  keys->are_there = std::make_unique<bool[]>(count);
  for (std::size_t i = 0; i < count; ++i) keys->are_there[i] = keys->values[i] >= 0;
  return {keys->values.data(), count * sizeof(std::int64_t), {keys->are_there.get(), count}};
}

void Page::read_above(std::istream& in) {
  const auto count = next<std::size_t>(in), features = next<std::size_t>(in);
  for (std::size_t i = 0; i < features; ++i) names_above_.push_back(next_name(in));
  ids_above_ = next<std::int64_t>(in, count * features);
  const gerank::DedupKeys keys = read_keys(in, count, &keys_above_);
  if (count == 0) return;
  if (features > 0) {
    blocks_above_.push_back({names_above_, gerank::ColumnType::kInt64, ids_above_.data(),
                             ids_above_.size() * sizeof(std::int64_t)});
  }
  query_.above = {std::int64_t(count), blocks_above_, keys};
}

void Page::read_rules(std::istream& in) {
  for (auto pins = next<int>(in); pins > 0; --pins) {
    const auto slot = next<std::int64_t>(in);
    pins_.push_back({slot, next<std::int64_t>(in)});
  }
  for (auto rules = next<int>(in); rules > 0; --rules) {
    const auto group = next_name(in);
    const auto window = next<std::int64_t>(in);
    spacing_.push_back({group, window, next<std::int64_t>(in)});
  }
  for (auto rules = next<int>(in); rules > 0; --rules) {
    const auto flag = next_name(in);
    const auto least = next<std::int64_t>(in), most = next<std::int64_t>(in);
    quotas_.push_back({flag, least, most < 0 ? std::nullopt : std::optional(most)});
  }
  for (auto weights = next<int>(in); weights > 0; --weights) {
    const auto utility = next_name(in);
    weights_.push_back({utility, next<double>(in)});
  }
  query_.pins = pins_;
  query_.spacing = spacing_;
  query_.quotas = quotas_;
  query_.weights = weights_;
}

std::vector<std::unique_ptr<Page>> read_pages(std::istream& in, const gerank::Contract& contract) {
  std::vector<std::unique_ptr<Page>> pages;
  for (auto count = next<int>(in); count > 0; --count) {
    pages.push_back(std::make_unique<Page>(in, contract));
  }
  return pages;
}
