#include "answer_headers.h"

#include <cstdint>

#include "../grpc/header_coding.h"

namespace gerank::server {
namespace {

// Callers limit what they take as trailers, to 8 KiB by default. Details that do not agree with the
// message would be an error: they are left out with what is cut.
constexpr std::size_t kLongestMessage = 2000, kLongestDetails = 4500;

constexpr std::string_view kCodes[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                       "9", "10", "11", "12", "13", "14", "15", "16"};

std::uint8_t* as_bytes(std::string_view text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

// nghttp2 copies the value; it enters no table, since the next one differs.
nghttp2_nv passing_header(std::string_view name, std::string_view value) {
  return {as_bytes(name), as_bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_INDEX};
}

// The beginning of UTF-8, cut between characters.
std::string_view cut(std::string_view text, std::size_t at_most) {
  if (text.size() <= at_most) return text;
  while (at_most > 0 && (text[at_most] & 0xc0) == 0x80) --at_most;
  return text.substr(0, at_most);
}

}  // namespace

nghttp2_nv lasting_header(std::string_view name, std::string_view value) {
  return {as_bytes(name), as_bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

void AnswerHeaders::add_head(RequestHead& call) {
  add(lasting_header(":status", "200"));
  add(lasting_header("content-type", "application/grpc"));
  add(lasting_header("grpc-accept-encoding", "identity,gzip"));
  add(passing_header("x-request-id", call.request_id()));
  if (!call.arm().empty()) add(passing_header("x-arm", call.arm()));
  if (!call.trace_parent().empty()) add(passing_header("traceparent", call.trace_parent()));
}

void AnswerHeaders::add_status(const CallStatus& status) {
  add(lasting_header("grpc-status", kCodes[status.code]));
  if (status.message.empty()) return;
  const std::string_view message = cut(status.message, kLongestMessage);
  message_ = percent_coded(message);
  add(passing_header("grpc-message", message_));
  if (status.details.empty() || message.size() != status.message.size() ||
      status.details.size() > kLongestDetails) {
    return;
  }
  details_ = base64_coded(status.details);
  add(passing_header("grpc-status-details-bin", details_));
}

}  // namespace gerank::server
