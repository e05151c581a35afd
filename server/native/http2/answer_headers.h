// The headers and trailers of answers, as nghttp2 takes them.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "../grpc/call_status.h"
#include "../grpc/request_head.h"

namespace gerank::server {

// A header whose name and value live as long as the process.
nghttp2_nv lasting_header(std::string_view name, std::string_view value);

// The headers of one answer. Lives until they were submitted.
class AnswerHeaders {
 public:
  // Adds what comes before the first message, of a call with this head, which must live as long.
  void add_head(RequestHead& call);

  // Adds how the call ended.
  void add_status(const CallStatus& status);

  const nghttp2_nv* data() const { return headers_.data(); }
  std::size_t size() const { return size_; }

 private:
  void add(const nghttp2_nv& header) { headers_[size_++] = header; }

  static constexpr std::size_t kMost = 9;  // a head has 6, a status 3

  std::array<nghttp2_nv, kMost> headers_;
  std::size_t size_ = 0;
  std::string message_, details_;
};

}  // namespace gerank::server
