#include "status_table.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>

#include "../telling.h"
#include "wire/protobuf_writer.h"

// The numbers of fields are those of protos/google/rpc.

namespace gerank::server {
namespace {

constexpr std::size_t kLongestLogged = 2000;  // characters of what a model says

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

CallStatus exhausted(const Status& status) {
  return with_details(status, "RetryInfo", [&status](wire::FieldWriter& out) {
    const std::int64_t wait_us = status.retry_after().count();
    out.message(1, [&] {
      out.number(1, std::uint64_t(wait_us / 1000000));
      out.number(2, std::uint64_t(wait_us % 1000000 * 1000));
    });
  });
}

std::string draw_request_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(random()));
  return text;
}

CallStatus internal(const Status& status) {
  const std::string id = draw_request_id();
  tell(STDERR_FILENO,
       "gerank: request " + id + " failed: " + status.message().substr(0, kLongestLogged) + "\n");
  return {int(Code::kInternal), "internal error, logged as request " + id, {}};
}

}  // namespace

CallStatus to_call_status(const Status& status) {
  switch (status.code()) {
    case Code::kOk:
      return {};
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
      return {int(status.code()), status.message(), {}};
  }
  return internal(status);
}

}  // namespace gerank::server
