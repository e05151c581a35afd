#include "request_head.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <random>
#include <utility>

namespace gerank::server {
namespace {

constexpr std::size_t kOverhead = 32;  // RFC 9113, 6.5.2
constexpr std::size_t kMostDigits = 8;
constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(24 * 365);

constexpr std::size_t kLongestId = 128;

// Whether a caller's name for its call can stand in a log and in an answer.
bool is_id(std::string_view value) {
  return !value.empty() && value.size() <= kLongestId &&
         std::all_of(value.begin(), value.end(),
                     [](char each) { return each > ' ' && each <= '~'; });
}

std::string draw_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(random()));
  return text;
}

bool is_grpc_type(std::string_view value) {
  constexpr std::string_view kType = "application/grpc";
  if (value.substr(0, kType.size()) != kType) return false;
  return value.size() == kType.size() || value[kType.size()] == '+' || value[kType.size()] == ';';
}

std::optional<std::int64_t> nanoseconds_of(char unit) {
  switch (unit) {
    case 'H':
      return 3'600'000'000'000;
    case 'M':
      return 60'000'000'000;
    case 'S':
      return 1'000'000'000;
    case 'm':
      return 1'000'000;
    case 'u':
      return 1'000;
    case 'n':
      return 1;
    default:
      return {};
  }
}

}  // namespace

void RequestHead::add(std::string_view name, std::string_view value) {
  size_ += name.size() + value.size() + kOverhead;
  const auto is_second = [&](bool* has) {
    if (*has) fault_ = std::string(name) + ": must be given once";
    return std::exchange(*has, true);
  };
  if (name == ":path") {
    path_ = value;
  } else if (name == ":method") {
    is_post_ = value == "POST";
  } else if (name == "content-type") {
    if (!is_second(&has_type_)) is_grpc_ = is_grpc_type(value);
  } else if (name == "grpc-timeout") {
    if (!is_second(&has_timeout_)) read_timeout(value);
  } else if (name == "grpc-encoding") {
    if (!is_second(&has_encoding_)) read_encoding(value);
  } else if (name == "authorization") {
    if (++authorizations_ == 1) authorization_ = value;
  } else if (name == "x-request-id") {
    if (request_id_.empty() && is_id(value)) request_id_ = value;
  } else if (name == "x-arm") {
    if (arm_.empty() && is_id(value)) arm_ = value;
  } else if (name == "x-split-key") {
    if (split_key_.empty()) split_key_ = value;
  } else if (name == "traceparent") {
    if (trace_parent_.empty() && is_id(value)) trace_parent_ = value;
  }
}

const std::string& RequestHead::request_id() {
  if (request_id_.empty()) request_id_ = draw_id();
  return request_id_;
}

void RequestHead::read_timeout(std::string_view value) {
  const std::string_view digits = value.substr(0, value.empty() ? 0 : value.size() - 1);
  const auto unit = value.empty() ? std::nullopt : nanoseconds_of(value.back());
  std::int64_t count = -1;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  const bool is_number = error == std::errc() && stop == digits.data() + digits.size() &&
                         !digits.empty() && digits.front() != '-' && digits.size() <= kMostDigits;
  if (!unit || !is_number) {
    fault_ = "grpc-timeout: must be 1 to 8 digits and one of H, M, S, m, u, n, got '" +
             std::string(value.substr(0, 80)) + "'";
    return;
  }
  // Eight digits of hours overflow.
  timeout_ = count > kLongest.count() / *unit ? kLongest : std::chrono::nanoseconds(count * *unit);
}

void RequestHead::read_encoding(std::string_view value) {
  if (value == "identity") return;
  encoding_ = value == "gzip" ? Encoding::kGzip : Encoding::kUnknown;
  if (encoding_ == Encoding::kUnknown) encoding_name_ = value.substr(0, 80);
}

TimePoint RequestHead::deadline(TimePoint arrival) const {
  if (!has_timeout_ || timeout_ >= kLongest) return kNever;
  return arrival + timeout_;
}

void RequestHead::clear() {
  size_ = 0;
  path_.clear();
  is_post_ = is_grpc_ = has_type_ = has_timeout_ = has_encoding_ = false;
  encoding_ = Encoding::kIdentity;
  timeout_ = {};
  request_id_.clear();
  arm_.clear();
  split_key_.clear();
  trace_parent_.clear();
  if (!fault_.empty()) fault_.clear();
  if (authorizations_ > 0) OPENSSL_cleanse(authorization_.data(), authorization_.size());
  authorization_.clear();
  authorizations_ = 0;
}

}  // namespace gerank::server
