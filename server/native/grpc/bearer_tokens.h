// The tokens that let a caller in.
#pragma once

#include <gerank/status.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gerank::server {

// Immutable. Thread-safe.
class BearerTokens {
 public:
  // Reads the file of an option, with one token per line; empty lines and those that begin with #
  // hold none.
  //
  // kInvalidArgument, which names option and file and never a token, where it cannot be read, holds
  // no token, or a token that is not of visible ASCII characters.
  static Status read(const char* option, const std::string& path,
                     std::shared_ptr<const BearerTokens>* tokens);

  // Whether this value of the header `authorization` is `Bearer` and one of the tokens. Takes as
  // long for one token as for another of its length.
  bool accept(std::string_view authorization) const;

 private:
  std::vector<std::string> tokens_;
};

}  // namespace gerank::server
