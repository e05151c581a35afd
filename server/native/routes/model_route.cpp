#include "model_route.h"

#include <utility>

#include "exposures/stable_hash.h"

namespace gerank::server {

void ArmCounts::add(Code code, std::size_t queries) {
  const auto outcome = [code]() -> std::size_t {
    switch (code) {
      case Code::kOk:
        return 0;
      case Code::kInvalidArgument:
      case Code::kNotFound:
        return 1;
      case Code::kResourceExhausted:
      case Code::kUnavailable:
        return 2;
      case Code::kDeadlineExceeded:
        return 3;
      case Code::kCancelled:
        return 4;
      case Code::kFailedPrecondition:
      case Code::kInternal:
        break;
    }
    return 5;
  };
  counts_[outcome()].fetch_add(queries, std::memory_order_relaxed);
}

ModelRoute::ModelRoute(const std::string& model, std::vector<Arm> arms)
    : salt_(exposures::fnv1a(model + "/")), arms_(std::move(arms)) {
  for (const Arm& arm : arms_) total_ += arm.weight;
}

const Arm& ModelRoute::choose(std::string_view key) const {
  const std::uint64_t hash = exposures::mixed(exposures::fnv1a(key, salt_));
  std::uint64_t point = (hash >> 32) * total_ >> 32;
  for (const Arm& arm : arms_) {
    if (point < arm.weight) return arm;
    point -= arm.weight;
  }
  return arms_.back();  // never: the point is below the sum
}

}  // namespace gerank::server
