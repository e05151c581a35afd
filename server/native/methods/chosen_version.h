// The version that a route chose for a call.
#pragma once

#include <gerank/engine.h>

#include <memory>

#include "../grpc/request_head.h"
#include "../routes/route_table.h"

namespace gerank::server {

// Lives as long as the call: it owns what the call's version is a view of. For every method that
// submits calls. Used by one thread, again for call after call.
class ChosenVersion {
 public:
  // Sets the version of a call that names none, and the arm in its head, where its model has a
  // route.
  void choose(const RouteReader& routes, Call& call, RequestHead& head);

  // Counts the call's queries for its arm, where it has one.
  void count(const Call& call, const Status& outcome) const;

  void clear();

 private:
  std::shared_ptr<const ModelRoute> route_;  // null: the call goes by none
  const Arm* arm_ = nullptr;
};

}  // namespace gerank::server
