#include "describe.h"

#include <gerank/ranker.h>

#include <memory>

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

}  // namespace

CallStatus describe(const Service& service, std::string_view message, std::string_view request_id,
                    std::string* answer) {
  DescribeRequest request;
  if (!read(message, &request)) {
    return to_call_status(
        Status::invalid("request", "'" + std::to_string(message.size()) + " other bytes'",
                        "must be a gerank.v1.DescribeRequest"),
        request_id);
  }
  std::shared_ptr<const Ranker> ranker;
  const Status status = find_model(service, request.model, request.version, &ranker);
  if (!status) return to_call_status(status, request_id);
  wire::FieldWriter out;
  out.text(1, ranker->model_version());
  out.text(2, ranker->contract_json());
  *answer = out.take();
  return {};
}

}  // namespace gerank::server
