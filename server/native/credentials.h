// The server and its callers show each other who they are by these: TLS files and tokens.
#pragma once

#include <gerank/status.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "grpc/bearer_tokens.h"
#include "net/option_file.h"
#include "net/tls_context.h"

namespace gerank::server {

// Holds what the files said when they were last read well. Thread-safe.
class Credentials {
 public:
  // An empty path: no TLS, no tokens. Messages name the file of tokens by its option.
  Credentials(TlsFiles tls, std::string token_file, std::string token_option);

  // Reads all files. Errors as load_tls_context() and BearerTokens::read() have them; what was read
  // before stays then.
  Status load();

  // Reads again what has changed since it was read, or tried, last. Tells the log of files that
  // are refused, once for each change of theirs; what was read before stays then.
  void follow_changes();

  // Reads all files again, and tells as follow_changes() does.
  void reload();

  // New connections use this; null: they use no TLS.
  TlsContext tls() const;

  // Why a call is not let in, as a sentence for its caller; empty where it is. `authorization` is
  // the value of that header, empty unless it was given once.
  std::string_view refusal_of(std::string_view path, std::string_view authorization) const;

 private:
  struct TlsStamps {
    FileStamp certificate, key, client_ca;
    bool operator==(const TlsStamps&) const = default;
  };

  TlsStamps tls_stamps() const;
  Status load_tls();
  Status load_tokens();

  const TlsFiles files_;
  const std::string token_file_, token_option_;
  mutable std::mutex loading_;  // of the stamps
  TlsStamps tls_stamps_;
  FileStamp token_stamp_;
  mutable std::mutex mutex_;  // of what follows
  TlsContext tls_;
  std::shared_ptr<const BearerTokens> tokens_;
};

}  // namespace gerank::server
