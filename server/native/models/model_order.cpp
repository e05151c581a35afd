#include "model_order.h"

#include <algorithm>
#include <cstddef>

namespace gerank::server {
namespace {

constexpr std::size_t kLongestName = 128, kMostArms = 100;
constexpr std::uint64_t kMostWeight = 1'000'000;  // a hundred of them fit in 32 bits

bool is_of_name(char each) { return each > ' ' && each <= '~' && each != '='; }

Status check_arm(const std::vector<ArmOrder>& arms, std::size_t index) {
  const ArmOrder& order = arms[index];
  const std::string field = "arms[" + std::to_string(index) + "]";
  if (Status status = check_name(field + ".arm", order.arm); !status) return status;
  const auto same = [&](const ArmOrder& other) { return other.arm == order.arm; };
  const auto end = arms.begin() + std::ptrdiff_t(index);
  if (std::find_if(arms.begin(), end, same) != end) {
    return Status::invalid(field + ".arm", "'" + order.arm + "'", "another arm has this name too");
  }
  if (order.version.empty()) {
    return Status::invalid(field + ".version", "''", "must be a published version");
  }
  if (order.weight >= 1 && order.weight <= kMostWeight) return {};
  return Status::invalid(field + ".weight", std::to_string(order.weight),
                         "must be an integer in [1, " + std::to_string(kMostWeight) + "]");
}

}  // namespace

Status check_name(std::string_view field, std::string_view name) {
  if (!name.empty() && name.size() <= kLongestName &&
      std::all_of(name.begin(), name.end(), is_of_name)) {
    return {};
  }
  return Status::invalid(field, "'" + std::string(name) + "'",
                         "must be 1 to 128 printable ASCII characters without blanks and =");
}

Status check_arms(const std::vector<ArmOrder>& arms) {
  if (arms.size() > kMostArms) {
    return Status::invalid("arms", std::to_string(arms.size()),
                           "must be at most " + std::to_string(kMostArms));
  }
  for (std::size_t i = 0; i < arms.size(); ++i) {
    if (Status status = check_arm(arms, i); !status) return status;
  }
  return {};
}

}  // namespace gerank::server
