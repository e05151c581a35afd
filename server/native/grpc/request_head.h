// The headers of a call.
#pragma once

#include <gerank/clock.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace gerank::server {

// What a call says before its messages. Used again for call after call.
class RequestHead {
 public:
  enum class Encoding { kIdentity, kGzip, kUnknown };

  // Takes one header in. Those of callers, which gRPC calls custom metadata, are counted alone, but
  // for authorization, x-request-id, x-arm, x-split-key and traceparent.
  void add(std::string_view name, std::string_view value);

  void clear();

  // The size of all headers, as HTTP/2 counts it: 32 more than the bytes of each.
  std::size_t size() const { return size_; }

  const std::string& path() const { return path_; }
  bool is_post() const { return is_post_; }
  bool is_grpc() const { return is_grpc_; }
  Encoding encoding() const { return encoding_; }
  const std::string& encoding_name() const { return encoding_name_; }

  // The value of that header; empty unless it was given once. A secret: it goes into no message.
  std::string_view authorization() const {
    return authorizations_ == 1 ? std::string_view(authorization_) : std::string_view();
  }

  // The name of this call in logs: x-request-id as the caller gave it, or one that is drawn.
  const std::string& request_id();

  // The arm of an experiment: the one that a split chose, else x-arm as the caller gave it; empty:
  // neither.
  const std::string& arm() const { return arm_; }
  void set_arm(const std::string& arm) { arm_ = arm; }

  // A split chooses the arm by this: x-split-key as the caller gave it first, else the request id.
  const std::string& split_key() { return split_key_.empty() ? request_id() : split_key_; }

  // traceparent as the caller gave it; empty: it gave none.
  const std::string& trace_parent() const { return trace_parent_; }

  // Empty, or what is wrong with a header of gRPC's: a sentence for the caller.
  const std::string& fault() const { return fault_; }

  // When the caller gives up, of a call that arrived at `arrival`; kNever unless it said so.
  TimePoint deadline(TimePoint arrival) const;

 private:
  void read_timeout(std::string_view value);
  void read_encoding(std::string_view value);

  std::size_t size_ = 0;
  std::string path_;
  bool is_post_ = false, is_grpc_ = false;
  bool has_type_ = false, has_timeout_ = false, has_encoding_ = false;
  Encoding encoding_ = Encoding::kIdentity;
  std::string encoding_name_;
  std::chrono::nanoseconds timeout_{0};
  std::string request_id_, arm_, split_key_, trace_parent_;
  std::string fault_;
  std::string authorization_;
  int authorizations_ = 0;
};

}  // namespace gerank::server
