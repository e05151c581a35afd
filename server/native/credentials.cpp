#include "credentials.h"

#include <utility>

#include "log/log.h"
#include "methods/service_names.h"

namespace gerank::server {
namespace {

void tell_outcome(const Status& status, std::string_view what) {
  Log& log = Log::of_process();
  if (status) {
    log.tell(LogLevel::kInfo, "credentials_read", std::string(what) + " read again",
             {{"what", what}});
  } else {
    log.tell(LogLevel::kError, "credentials_refused",
             "refused, " + std::string(what) + " kept: " + status.message(), {{"what", what}});
  }
}

// A load balancer and a supervisor have no token.
bool is_open_to_all(std::string_view path) {
  return path.size() > kHealthService.size() + 1 && path.front() == '/' &&
         path.substr(1, kHealthService.size()) == kHealthService &&
         path[kHealthService.size() + 1] == '/';
}

}  // namespace

Credentials::Credentials(TlsFiles tls, std::string token_file, std::string token_option)
    : files_(std::move(tls)),
      token_file_(std::move(token_file)),
      token_option_(std::move(token_option)) {}

Status Credentials::load() {
  const std::lock_guard lock(loading_);
  if (Status status = load_tls(); !status) return status;
  return load_tokens();
}

void Credentials::follow_changes() {
  const std::lock_guard lock(loading_);
  if (tls_stamps() != tls_stamps_) tell_outcome(load_tls(), "TLS files");
  if (stamp_of(token_file_) != token_stamp_) tell_outcome(load_tokens(), "tokens");
}

void Credentials::reload() {
  const std::lock_guard lock(loading_);
  if (files_.any()) tell_outcome(load_tls(), "TLS files");
  if (!token_file_.empty()) tell_outcome(load_tokens(), "tokens");
}

TlsContext Credentials::tls() const {
  const std::lock_guard lock(mutex_);
  return tls_;
}

std::string_view Credentials::refusal_of(std::string_view path,
                                         std::string_view authorization) const {
  if (token_file_.empty() || is_open_to_all(path)) return {};
  if (authorization.empty()) return "authorization: must be given once, as 'Bearer TOKEN'";
  std::shared_ptr<const BearerTokens> tokens;
  {
    const std::lock_guard lock(mutex_);
    tokens = tokens_;
  }
  if (tokens->accept(authorization)) return {};
  return "authorization: must be 'Bearer' and a token of this server";
}

Credentials::TlsStamps Credentials::tls_stamps() const {
  return {stamp_of(files_.certificate), stamp_of(files_.key), stamp_of(files_.client_ca)};
}

// The stamps are taken first: a file that changes while it is read is read again.
Status Credentials::load_tls() {
  tls_stamps_ = tls_stamps();
  if (!files_.any()) return {};
  TlsContext loaded;
  if (Status status = load_tls_context(files_, &loaded); !status) return status;
  const std::lock_guard lock(mutex_);
  tls_ = std::move(loaded);
  return {};
}

Status Credentials::load_tokens() {
  token_stamp_ = stamp_of(token_file_);
  if (token_file_.empty()) return {};
  std::shared_ptr<const BearerTokens> loaded;
  if (Status status = BearerTokens::read(token_option_.c_str(), token_file_, &loaded); !status)
    return status;
  const std::lock_guard lock(mutex_);
  tokens_ = std::move(loaded);
  return {};
}

}  // namespace gerank::server
