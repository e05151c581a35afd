#include "page_tensors.h"

#include <string>

namespace gerank::server::inference {
namespace {

// What follows `side.`, if the name begins so.
std::optional<std::string_view> name_behind(std::string_view side, std::string_view name) {
  if (name.size() <= side.size() || !name.starts_with(side) || name[side.size()] != '.') return {};
  return name.substr(side.size() + 1);
}

// Whether a tensor of one datatype may come as another: numbers of a kind have two widths.
bool may_be(DataType type, DataType given) {
  switch (type) {
    case DataType::kInt32:
    case DataType::kInt64:
      return given == DataType::kInt32 || given == DataType::kInt64;
    case DataType::kUint64:
      return given == DataType::kUint64 || given == DataType::kInt64;
    case DataType::kFp32:
    case DataType::kFp64:
      return given == DataType::kFp32 || given == DataType::kFp64;
    case DataType::kBool:
    case DataType::kBytes:
      break;
  }
  return given == type;
}

std::string types_of(DataType type) {
  std::string names(name_of(type));
  for (const DataType other : {DataType::kInt32, DataType::kInt64, DataType::kFp32}) {
    if (other != type && may_be(type, other)) names += " or " + std::string(name_of(other));
  }
  return names;
}

Status check_type(const Tensor& tensor, DataType type) {
  if (may_be(type, tensor.type)) return {};
  return Status::invalid(field_of(tensor.name, "datatype"),
                         "'" + std::string(name_of(tensor.type)) + "'",
                         "must be " + types_of(type));
}

Status no_tensor(std::string_view name) {
  std::string known =
      "user.NAME, candidates.NAME, above.NAME, spacing.GROUP, quotas.FLAG, weights.UTILITY";
  for (const TensorKind& part : kParts) known += ", " + std::string(part.name);
  return Status::invalid("inputs", "'" + std::string(name) + "'",
                         "must be named as one of " + known);
}

// A shape of `axes` axes, of B pages and a second size that is 0 where no tensor has told it yet;
// `is_wide`: a further axis may have any size.
Status wrong_shape(const Tensor& tensor, std::size_t axes, std::size_t pages, std::size_t second,
                   bool is_wide) {
  std::string sizes = "[" + std::to_string(pages);
  if (axes == 2) sizes += ", " + (second > 0 ? std::to_string(second) : "N");
  return Status::invalid(field_of(tensor.name, "shape"), text_of(tensor.shape),
                         "must be " + sizes + "] or " + sizes +
                             (is_wide ? ", W] with W features" : ", 1]") +
                             ", as the tensors before this one say");
}

constexpr std::size_t at(Part part) { return static_cast<std::size_t>(part); }

}  // namespace

Status PageTensors::add(const Tensor& tensor) {
  if (const auto name = name_behind("candidates", tensor.name)) {
    return add_feature({"candidates", contract_.candidate, contract_.candidate_by_name}, *name,
                       tensor, Extent::kCandidates, &candidate_features_);
  }
  if (const auto name = name_behind("user", tensor.name)) {
    return add_feature({"user", contract_.user, contract_.user_by_name}, *name, tensor,
                       Extent::kPage, &user_features_);
  }
  if (const auto name = name_behind("above", tensor.name)) {
    return add_feature({"above", contract_.above, contract_.above_by_name}, *name, tensor,
                       Extent::kAbove, &above_features_);
  }
  if (const auto name = name_behind("spacing", tensor.name)) {
    return add_rule(*name, tensor, DataType::kInt32, Extent::kPair, &spacing_);
  }
  if (const auto name = name_behind("quotas", tensor.name)) {
    return add_rule(*name, tensor, DataType::kInt32, Extent::kPair, &quotas_);
  }
  if (const auto name = name_behind("weights", tensor.name)) {
    return add_rule(*name, tensor, DataType::kFp64, Extent::kPage, &weights_);
  }
  return add_part(tensor);
}

Status PageTensors::add_feature(const FeatureSide& side, std::string_view name,
                                const Tensor& tensor, Extent extent,
                                List<FeatureTensor>* features) {
  std::size_t width = 1;
  if (Status status = check_shape(tensor, extent, &width); !status) return status;
  FeatureTensor feature;
  Status status = read_feature(side, name, tensor, width, arena_, &feature);
  if (status) features->push(arena_, feature);
  return status;
}

Status PageTensors::add_rule(std::string_view name, const Tensor& tensor, DataType type,
                             Extent extent, List<RuleTensor>* rules) {
  if (Status status = check_type(tensor, type); !status) return status;
  Status status = check_shape(tensor, extent);
  if (status) rules->push(arena_, {name, tensor});
  return status;
}

Status PageTensors::add_part(const Tensor& tensor) {
  const std::size_t place = place_of(kParts, tensor.name);
  if (place == kNoTensor) return no_tensor(tensor.name);
  if (Status status = check_type(tensor, kParts[place].type); !status) return status;
  Status status = check_shape(tensor, kParts[place].extent);
  if (status) parts_[place] = tensor;
  return status;
}

Status PageTensors::check_shape(const Tensor& tensor, Extent extent, std::size_t* width) {
  const Shape& shape = tensor.shape;
  std::size_t any = 0, pair = 2;
  std::size_t* const second = extent == Extent::kCandidates ? &candidates_
                              : extent == Extent::kAbove    ? &above_
                              : extent == Extent::kPair     ? &pair
                                                            : &any;
  const std::size_t axes = extent == Extent::kPage ? 1 : 2;
  const auto size = [&](std::size_t axis) { return std::size_t(shape.sizes[axis]); };
  const std::size_t further = shape.axes == axes + 1 ? size(axes) : 1;
  const bool has_axes = shape.axes == axes || shape.axes == axes + 1;
  const bool has_second = axes == 1 || *second == 0 || (has_axes && size(1) == *second);
  if (!has_axes || size(0) != pages_ || !has_second || (width == nullptr && further != 1)) {
    return wrong_shape(tensor, axes, pages_, *second, width != nullptr);
  }
  if (axes == 2) *second = size(1);
  if (width != nullptr) *width = further;
  return {};
}

const Tensor* PageTensors::part(Part part) const {
  const std::optional<Tensor>& tensor = parts_[at(part)];
  return tensor ? &*tensor : nullptr;
}

std::string_view PageTensors::id_of(std::size_t page) const {
  const Tensor* const ids = part(Part::kPageIds);
  return ids == nullptr ? std::string_view() : ids->texts[page];
}

Status PageTensors::read_page(std::size_t page, Query* query) const {
  if (Status status = read_counts(page, query); !status) return status;
  const auto candidates = std::size_t(query->candidate_count);
  const auto above = std::size_t(query->above.count);
  read_features(page, query);
  if (const Tensor* const ids = part(Part::kCandidateIds)) {
    query->candidate_ids = ids->texts.subspan(page * candidates_, candidates);
  }
  Status status = read_keys(Part::kDedupKeys, Part::kDedupPresent, page * candidates_, candidates,
                            &query->dedup_keys);
  if (!status) return status;
  status = read_keys(Part::kAboveDedupKeys, Part::kAboveDedupPresent, page * above_, above,
                     &query->above.dedup_keys);
  read_settings(page, query);
  read_pins(page, query);
  read_rules(page, query);
  return status;
}

Status PageTensors::read_counts(std::size_t page, Query* query) const {
  std::size_t candidates = candidates_, above = above_;
  Status status = read_count(Part::kCandidateCount, page, candidates_, 1, &candidates);
  if (!status) return status;
  status = read_count(Part::kAboveCount, page, above_, 0, &above);
  query->candidate_count = std::int64_t(candidates);
  query->above.count = std::int64_t(above);
  return status;
}

Status PageTensors::read_count(Part which, std::size_t page, std::size_t most, std::size_t least,
                               std::size_t* count) const {
  const Tensor* const counts = part(which);
  if (counts == nullptr) return {};
  const std::int64_t value = counts->whole_at(page);
  if (value >= std::int64_t(least) && value <= std::int64_t(most)) {
    *count = std::size_t(value);
    return {};
  }
  return Status::invalid("inputs." + std::string(counts->name) + "[" + std::to_string(page) + "]",
                         std::to_string(value),
                         "must be " + std::to_string(least) + " to " + std::to_string(most) +
                             ", the size of that axis");
}

void PageTensors::read_features(std::size_t page, Query* query) const {
  const auto blocks = [&](const List<FeatureTensor>& features, std::size_t first,
                          std::size_t rows) {
    List<FeatureBlock> read;
    for (const FeatureTensor& feature : features.view()) {
      read.push(arena_, feature.block(first, rows));
    }
    return read.view();
  };
  query->user_features = blocks(user_features_, page, 1);
  query->candidate_features =
      blocks(candidate_features_, page * candidates_, std::size_t(query->candidate_count));
  if (query->above.count == 0) return;  // a page that begins its feed
  query->above.features = blocks(above_features_, page * above_, std::size_t(query->above.count));
}

Status PageTensors::read_keys(Part keys_part, Part present_part, std::size_t first,
                              std::size_t count, std::optional<DedupKeys>* read) const {
  const Tensor *const keys = part(keys_part), *const present = part(present_part);
  if (keys == nullptr) {
    if (present == nullptr) return {};
    return Status::invalid(
        "inputs", "'" + std::string(present->name) + "'",
        "must have the keys beside it: " + std::string(kParts[at(keys_part)].name));
  }
  if (count == 0) return {};
  List<std::int64_t> values;
  List<bool> are_present;
  for (std::size_t i = first; i < first + count; ++i) {
    values.push(arena_, keys->whole_at(i));
    if (present != nullptr) are_present.push(arena_, present->whole_at(i) != 0);
  }
  *read = DedupKeys{values.view().data(), values.view().size_bytes(), are_present.view()};
  return {};
}

void PageTensors::read_settings(std::size_t page, Query* query) const {
  if (const Tensor* const preset = part(Part::kPreset)) query->preset = preset->texts[page];
  if (const Tensor* const slots = part(Part::kSlots); slots && slots->whole_at(page) != 0) {
    query->slots = slots->whole_at(page);
  }
  if (const Tensor* const seed = part(Part::kSeed)) {
    query->seed = std::uint64_t(seed->whole_at(page));
  }
  if (const Tensor* const greedy = part(Part::kGreedy)) query->greedy = greedy->whole_at(page) != 0;
  if (const Tensor* const temperature = part(Part::kTemperature)) {
    query->temperature = temperature->real_at(page);
  }
}

void PageTensors::read_pins(std::size_t page, Query* query) const {
  const Tensor* const tensor = part(Part::kPins);
  if (tensor == nullptr) return;
  const auto slots = std::size_t(tensor->shape.sizes[1]);
  List<Pin> pins;
  for (std::size_t slot = 0; slot < slots; ++slot) {
    const std::int64_t candidate = tensor->whole_at(page * slots + slot);
    if (candidate != -1) pins.push(arena_, {std::int64_t(slot), candidate});
  }
  query->pins = pins.view();
}

void PageTensors::read_rules(std::size_t page, Query* query) const {
  List<Spacing> spacing;
  for (const auto& [group, tensor] : spacing_.view()) {
    const std::int64_t window = tensor.whole_at(2 * page), cap = tensor.whole_at(2 * page + 1);
    if (window != 0 || cap != 0) spacing.push(arena_, {group, window, cap});
  }
  List<Quota> quotas;
  for (const auto& [flag, tensor] : quotas_.view()) {
    const std::int64_t least = tensor.whole_at(2 * page), most = tensor.whole_at(2 * page + 1);
    if (least == -1 && most == -1) continue;
    Quota quota{flag, least};
    if (most != -1) quota.max = most;
    quotas.push(arena_, quota);
  }
  List<Weight> weights;
  for (const auto& [utility, tensor] : weights_.view()) {
    weights.push(arena_, {utility, tensor.real_at(page)});
  }
  query->spacing = spacing.view();
  query->quotas = quotas.view();
  query->weights = weights.view();
}

}  // namespace gerank::server::inference
