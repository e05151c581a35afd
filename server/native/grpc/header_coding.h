// How text and bytes become values of headers.
#pragma once

#include <string>
#include <string_view>

namespace gerank::server {

// grpc-message: UTF-8 whose bytes outside of printable ASCII, and the percent sign, are %XX.
std::string percent_coded(std::string_view text);

// Values of headers whose names end with -bin: base64 without padding.
std::string base64_coded(std::string_view bytes);

}  // namespace gerank::server
