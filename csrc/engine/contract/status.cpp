#include <gerank/status.h>

#include "python_text.h"

namespace gerank {
namespace {

constexpr std::size_t kLongestField = 200, kLongestValue = 80;  // characters

}  // namespace

const char* code_name(Code code) noexcept {
  switch (code) {
    case Code::kOk:
      return "OK";
    case Code::kCancelled:
      return "CANCELLED";
    case Code::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case Code::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case Code::kNotFound:
      return "NOT_FOUND";
    case Code::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case Code::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case Code::kInternal:
      return "INTERNAL";
    case Code::kUnavailable:
      return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

Status Status::invalid(std::string_view field, std::string_view value, std::string_view rule) {
  Status status;
  status.code_ = Code::kInvalidArgument;
  status.field_ = cut(field, kLongestField);
  status.value_ = cut(value, kLongestValue);
  status.rule_ = rule;
  status.message_ = status.field_ + ": " + status.rule_ + ", got " + status.value_;
  return status;
}

Status Status::exhausted(std::string message, std::chrono::microseconds retry_after) {
  Status status(Code::kResourceExhausted, std::move(message));
  status.retry_after_ = retry_after;
  return status;
}

Status Status::within(std::string_view parent) const {
  if (code_ != Code::kInvalidArgument) return *this;
  return invalid(std::string(parent) + "." + field_, value_, rule_);
}

}  // namespace gerank
