// The headers and trailers of answers, as nghttp2 takes them.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "../grpc/call_status.h"

namespace gerank::server {

// A header whose name and value live as long as the process.
nghttp2_nv lasting_header(std::string_view name, std::string_view value);

// What comes before the first message.
inline constexpr std::size_t kHeadSize = 3;
extern const std::array<nghttp2_nv, kHeadSize> kAnswerHead;

// The headers that tell how a call ended. Lives until they were submitted.
class StatusHeaders {
 public:
  // `alone`: no message came before, and they need a head.
  StatusHeaders(const CallStatus& status, bool alone);

  const nghttp2_nv* data() const { return headers_.data(); }
  std::size_t size() const { return size_; }

 private:
  void add(const nghttp2_nv& header) { headers_[size_++] = header; }

  std::array<nghttp2_nv, kHeadSize + 3> headers_;
  std::size_t size_ = 0;
  std::string message_, details_;
};

}  // namespace gerank::server
