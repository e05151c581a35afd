#include "bearer_tokens.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "../net/option_file.h"

namespace gerank::server {
namespace {

constexpr std::string_view kScheme = "bearer";
constexpr std::string_view kBlank = " \t\r";

std::string_view stripped(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
}

bool is_token(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char each) { return each > ' ' && each <= '~'; });
}

char to_lower(char each) { return each >= 'A' && each <= 'Z' ? char(each - 'A' + 'a') : each; }

// What follows the scheme, whose letters may be large or small; empty where there is another one.
std::string_view credentials_of(std::string_view authorization) {
  if (authorization.size() <= kScheme.size() || authorization[kScheme.size()] != ' ') return {};
  const bool is_bearer =
      std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                 [](char ours, char theirs) { return ours == to_lower(theirs); });
  return is_bearer ? stripped(authorization.substr(kScheme.size())) : std::string_view{};
}

}  // namespace

Status BearerTokens::read(const char* option, const std::string& path,
                          std::shared_ptr<const BearerTokens>* tokens) {
  std::string text;
  if (Status status = read_option_file(option, path, &text); !status) return status;
  auto made = std::make_shared<BearerTokens>();
  std::string_view rest = text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = stripped(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.front() == '#') continue;
    if (!is_token(line)) {
      return Status::invalid(option, "other ones in line " + std::to_string(number),
                             path + " must hold tokens of visible ASCII characters");
    }
    made->tokens_.emplace_back(line);
  }
  if (made->tokens_.empty()) {
    return Status::invalid(option, "none", path + " must hold a token per line");
  }
  *tokens = std::move(made);
  return {};
}

bool BearerTokens::accept(std::string_view authorization) const {
  const std::string_view given = credentials_of(authorization);
  bool is_known = false;
  for (const std::string& token : tokens_) {  // all of them, also behind the right one
    is_known |= token.size() == given.size() &&
                CRYPTO_memcmp(token.data(), given.data(), token.size()) == 0;
  }
  return is_known;
}

}  // namespace gerank::server
