// How every call of the engine ends: well, or with a reason that a caller can act on.
//
// No exception crosses the engine's interface; a Status does.
#pragma once

#include <gerank/export.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace gerank {

// The classes of outcomes. Numbers are those of google.rpc.Code, so that a gRPC front maps them by
// a cast.
enum class Code : int {
  kOk = 0,
  kCancelled = 1,           // the caller gave up before the model was run
  kInvalidArgument = 3,     // a query or an option is malformed; field and value say which
  kDeadlineExceeded = 4,    // the deadline passed before the model was run; nothing was computed
  kNotFound = 5,            // no artifact of that name or version is published
  kResourceExhausted = 8,   // the queue is full; retry_after says when to come again
  kFailedPrecondition = 9,  // a file is no artifact or does not fit this library; or a method is
                            // called where it cannot work: in a callback, in a forked process
  kInternal = 13,           // our fault; the message is for a log, not for a remote caller
  kUnavailable = 14,        // nothing is published yet, or the engine is draining
};

// "INVALID_ARGUMENT" and so on, as gRPC spells it. The text is static.
GERANK_EXPORT const char* code_name(Code code) noexcept;

// An outcome. A plain value: copying one that is OK costs a few words and no allocation.
//
// Thread-safe as an int is: any number of readers, or one writer.
class GERANK_EXPORT Status {
 public:
  // OK.
  Status() noexcept = default;

  // Any code but kInvalidArgument, with a sentence for people.
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  // What is wrong with one field of what the caller passed in. The message reads
  // `field: rule, got value`; field and value are cut to 200 and 80 bytes, between UTF-8
  // characters, since messages travel in gRPC trailers.
  //
  //   field  a path: `candidates[3].price`, `weights.clicks`
  //   value  as Python's repr would show it: 7, 2.5, 'seler', [1.0, nan]
  //   rule   what should be there: "must be an integer in [1, 6]"
  static Status invalid(std::string_view field, std::string_view value, std::string_view rule);

  // kResourceExhausted, and the time after which a further attempt is likely to succeed.
  static Status exhausted(std::string message, std::chrono::microseconds retry_after);

  bool ok() const noexcept { return code_ == Code::kOk; }
  explicit operator bool() const noexcept { return ok(); }
  Code code() const noexcept { return code_; }

  // Empty if OK.
  const std::string& message() const noexcept { return message_; }

  // With kInvalidArgument they tell where it is wrong, what is there and what should be there. With
  // any other code they are empty.
  const std::string& field() const noexcept { return field_; }
  const std::string& value() const noexcept { return value_; }
  const std::string& rule() const noexcept { return rule_; }

  // Is set with kResourceExhausted, and 0 with any other code.
  std::chrono::microseconds retry_after() const noexcept { return retry_after_; }

  // The same error, seen from the document that holds the query at `parent`: its field becomes
  // `parent.field`. Anything but kInvalidArgument is returned as it is.
  Status within(std::string_view parent) const;

 private:
  Code code_ = Code::kOk;
  std::chrono::microseconds retry_after_{0};
  std::string message_, field_, value_, rule_;
};

}  // namespace gerank
