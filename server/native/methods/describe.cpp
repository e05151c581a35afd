#include "describe.h"

#include <gerank/ranker.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "../grpc/status_table.h"
#include "find_model.h"
#include "wire/protobuf_reader.h"
#include "wire/protobuf_writer.h"

// The numbers of fields are those of protos/gerank/v1/rerank.proto.

namespace gerank::server {
namespace {

struct DescribeRequest {
  std::string_view model, version;
};

bool read(std::string_view message, DescribeRequest* request) {
  wire::FieldReader in(message);
  while (in.next()) {
    switch (in.tag()) {
      case wire::bytes_tag(1):
        request->model = in.text();
        break;
      case wire::bytes_tag(2):
        request->version = in.text();
        break;
      default:
        in.skip();
    }
  }
  return in.ok();
}

// The version that calls of a model without one are told of: empty, the engine's, unless a load
// holds another one current, by a route of one arm without a name.
std::string_view current_version(const ModelRoute* route) {
  if (route == nullptr || !route->arms().front().name.empty()) return {};
  return route->arms().front().version;
}

// The versions of a route whose contracts are not `contract_json`, each once.
std::vector<std::string_view> other_versions(const Service& service, std::string_view model,
                                             const ModelRoute& route,
                                             const std::string& contract_json) {
  std::vector<std::string_view> versions;
  for (const Arm& arm : route.arms()) {
    if (std::find(versions.begin(), versions.end(), arm.version) != versions.end()) continue;
    const auto ranker = service.engine.find(model, arm.version);
    if (ranker && ranker->contract_json() != contract_json) versions.push_back(arm.version);
  }
  return versions;
}

}  // namespace

CallStatus describe(const Service& service, const RouteReader& routes, std::string_view message,
                    std::string_view request_id, std::string* answer) {
  DescribeRequest request;
  if (!read(message, &request)) {
    return to_call_status(
        Status::invalid("request", "'" + std::to_string(message.size()) + " other bytes'",
                        "must be a gerank.v1.DescribeRequest"),
        request_id);
  }
  const auto route = request.version.empty() ? routes.find(request.model) : nullptr;
  if (request.version.empty()) request.version = current_version(route.get());
  std::shared_ptr<const Ranker> ranker;
  const Status status = find_model(service, request.model, request.version, &ranker);
  if (!status) return to_call_status(status, request_id);
  wire::FieldWriter out;
  out.text(1, ranker->model_version());
  out.text(2, ranker->contract_json());
  if (route) {
    for (const std::string_view version :
         other_versions(service, request.model, *route, ranker->contract_json())) {
      out.text(3, version);
    }
  }
  *answer = out.take();
  return {};
}

}  // namespace gerank::server
