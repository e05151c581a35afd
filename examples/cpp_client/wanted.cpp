#include "wanted.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <stdexcept>

namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

const Value& at(const Struct& object, const std::string& key) {
  const auto found = object.fields().find(key);
  if (found == object.fields().end()) throw std::runtime_error("the contract has no " + key);
  return found->second;
}

Side read_side(const Value& features) {
  Side side;
  for (const Value& feature : features.list_value().values()) {
    const Struct& fields = feature.struct_value();
    const bool dense = at(fields, "kind").string_value() == "dense";
    (dense ? side.dense : side.ids).push_back(at(fields, "name").string_value());
  }
  return side;
}

}  // namespace

Wanted read_wanted(const gerank::v1::DescribeResponse& description) {
  Struct contract;
  const auto status =
      google::protobuf::util::JsonStringToMessage(description.contract_json(), &contract);
  if (!status.ok()) throw std::runtime_error("the contract is no JSON: " + status.ToString());
  const Struct& features = at(contract, "features").struct_value();
  Wanted wanted;
  wanted.user = read_side(at(features, "user"));
  wanted.candidate = read_side(at(features, "candidate"));
  return wanted;
}
