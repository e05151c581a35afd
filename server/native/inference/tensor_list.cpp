#include "tensor_list.h"

#include <utility>

namespace gerank::server::inference {
namespace {

std::vector<std::int64_t> shape_of(Extent extent) {
  switch (extent) {
    case Extent::kPage:
      return {-1, 1};
    case Extent::kPair:
      return {-1, 2};
    case Extent::kUnmetSlots:
      return {-1, -1, -1};
    case Extent::kSlots:
    case Extent::kCandidates:
    case Extent::kAbove:
    case Extent::kUnmet:
      break;
  }
  return {-1, -1};
}

class Inputs {
 public:
  void add(std::string name, DataType type, Extent extent, bool is_optional) {
    told_.push_back({std::move(name), type, shape_of(extent), is_optional});
  }

  void add_features(const std::string& side, const std::vector<Feature>& features, Extent extent,
                    bool are_optional) {
    for (const Feature& feature : features) {
      add(side + "." + feature.name, feature.dense ? DataType::kFp32 : DataType::kInt64, extent,
          are_optional || feature.optional);
    }
  }

  void add_pairs(const std::string& rule, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      add(rule + "." + name, DataType::kInt32, Extent::kPair, true);
    }
  }

  std::vector<ToldTensor> take() { return std::move(told_); }

 private:
  std::vector<ToldTensor> told_;
};

}  // namespace

std::vector<ToldTensor> inputs_of(const Contract& contract) {
  Inputs inputs;
  inputs.add_features("user", contract.user, Extent::kPage, false);
  inputs.add_features("candidates", contract.candidate, Extent::kCandidates, false);
  for (const TensorKind& part : kParts) {
    inputs.add(std::string(part.name), part.type, part.extent, true);
  }
  inputs.add_pairs("spacing", contract.groups);
  inputs.add_pairs("quotas", contract.flags);
  for (const WeightRange& weight : contract.weights) {
    inputs.add("weights." + weight.utility, DataType::kFp64, Extent::kPage, true);
  }
  inputs.add_features("above", contract.above, Extent::kAbove, true);
  return inputs.take();
}

std::vector<ToldTensor> outputs() {
  std::vector<ToldTensor> told;
  for (const TensorKind& output : kOutputs) {
    told.push_back({std::string(output.name), output.type, shape_of(output.extent), false});
  }
  return told;
}

}  // namespace gerank::server::inference
