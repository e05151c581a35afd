// How a call ends, as its trailers tell it.
#pragma once

#include <string>

namespace gerank::server {

// Numbers of google.rpc.Code that gerank::Code has not, since the engine never says them.
inline constexpr int kUnimplemented = 12;
inline constexpr int kUnauthenticated = 16;

struct CallStatus {
  int code = 0;  // of google.rpc.Code
  std::string message;
  std::string details;  // a serialized google.rpc.Status; may be empty
};

}  // namespace gerank::server
