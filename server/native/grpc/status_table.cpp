#include "status_table.h"

#include <cstdint>
#include <string>

#include "../log/log.h"
#include "wire/protobuf_writer.h"

// The numbers of fields are those of protos/google/rpc.

namespace gerank::server {
namespace {

// `write_details` writes the fields of a message of google.rpc that is called `type`.
template <typename Write>
CallStatus with_details(const Status& status, std::string_view type, const Write& write_details) {
  wire::FieldWriter details;
  write_details(details);
  wire::FieldWriter document;
  document.number(1, std::uint64_t(status.code()));
  document.text(2, status.message());
  document.message(3, [&] {
    document.text(1, "type.googleapis.com/google.rpc." + std::string(type));
    document.text(2, details.take());
  });
  return {int(status.code()), status.message(), document.take()};
}

CallStatus invalid(const Status& status) {
  return with_details(status, "BadRequest", [&status](wire::FieldWriter& out) {
    out.message(1, [&] {
      out.text(1, status.field());
      out.text(2, status.message());
    });
  });
}

CallStatus internal(const Status& status, std::string_view request_id) {
  const std::string id(request_id);
  Log::of_process().tell(LogLevel::kError, "internal_error",
                         "request " + id + " failed: " + status.message(), {{"request_id", id}});
  return {int(Code::kInternal), "internal error, logged as request " + id, {}};
}

}  // namespace

CallStatus exhausted(const Status& status) {
  return with_details(status, "RetryInfo", [&status](wire::FieldWriter& out) {
    const std::int64_t wait_us = status.retry_after().count();
    out.message(1, [&] {
      out.number(1, std::uint64_t(wait_us / 1000000));
      out.number(2, std::uint64_t(wait_us % 1000000 * 1000));
    });
  });
}

CallStatus precondition_failed(const Status& status, std::string_view type,
                               const std::vector<Violation>& violations) {
  return with_details(status, "PreconditionFailure", [&](wire::FieldWriter& out) {
    for (const Violation& each : violations) {
      out.message(1, [&] {
        out.text(1, type);
        out.text(2, each.subject);
        out.text(3, each.description);
      });
    }
  });
}

CallStatus to_call_status(const Status& status, std::string_view request_id) {
  switch (status.code()) {
    case Code::kOk:
      return {};
    case Code::kInvalidArgument:
      return invalid(status);
    case Code::kResourceExhausted:
      return exhausted(status);
    case Code::kInternal:
      return internal(status, request_id);
    case Code::kCancelled:
    case Code::kDeadlineExceeded:
    case Code::kNotFound:
    case Code::kFailedPrecondition:
    case Code::kUnavailable:
      return {int(status.code()), status.message(), {}};
  }
  return internal(status, request_id);
}

}  // namespace gerank::server
