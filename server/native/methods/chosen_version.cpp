#include "chosen_version.h"

namespace gerank::server {

void ChosenVersion::choose(const RouteReader& routes, Call& call, RequestHead& head) {
  if (!call.version.empty()) return;
  route_ = routes.find(call.model);
  if (!route_) return;
  arm_ = &route_->choose(head.split_key());
  call.version = arm_->version;
  if (!arm_->name.empty()) head.set_arm(arm_->name);
}

void ChosenVersion::count(const Call& call, const Status& outcome) const {
  if (arm_ != nullptr && arm_->counts) arm_->counts->add(outcome.code(), call.queries.size());
}

void ChosenVersion::clear() {
  arm_ = nullptr;
  route_.reset();
}

}  // namespace gerank::server
