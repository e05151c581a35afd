#include "status_table.h"

#include <google/protobuf/any.pb.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "telling.h"

namespace gerank::server {
namespace {

constexpr std::size_t kLongestLogged = 2000;  // characters of what a model says

grpc::Status with_details(const Status& status, const google::protobuf::Message& details) {
  google::rpc::Status document;
  document.set_code(int(status.code()));
  document.set_message(status.message());
  document.add_details()->PackFrom(details);
  return {grpc::StatusCode(status.code()), status.message(), document.SerializeAsString()};
}

grpc::Status invalid(const Status& status) {
  google::rpc::BadRequest details;
  auto* violation = details.add_field_violations();
  violation->set_field(status.field());
  violation->set_description(status.message());
  return with_details(status, details);
}

grpc::Status exhausted(const Status& status) {
  const int64_t wait_us = status.retry_after().count();
  google::rpc::RetryInfo details;
  details.mutable_retry_delay()->set_seconds(wait_us / 1000000);
  details.mutable_retry_delay()->set_nanos(int32_t(wait_us % 1000000 * 1000));
  return with_details(status, details);
}

std::string draw_request_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(random()));
  return text;
}

grpc::Status internal(const Status& status) {
  const std::string id = draw_request_id();
  tell(STDERR_FILENO,
       "gerank: request " + id + " failed: " + status.message().substr(0, kLongestLogged) + "\n");
  return {grpc::StatusCode::INTERNAL, "internal error, logged as request " + id};
}

}  // namespace

grpc::Status to_grpc(const Status& status) {
  switch (status.code()) {
    case Code::kOk:
      return grpc::Status::OK;
    case Code::kInvalidArgument:
      return invalid(status);
    case Code::kResourceExhausted:
      return exhausted(status);
    case Code::kInternal:
      return internal(status);
    case Code::kCancelled:
    case Code::kDeadlineExceeded:
    case Code::kNotFound:
    case Code::kFailedPrecondition:
    case Code::kUnavailable:
      return {grpc::StatusCode(status.code()), status.message()};
  }
  return internal(status);
}

}  // namespace gerank::server
