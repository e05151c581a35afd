// What a server shows of itself over TLS, and whom it believes.
#pragma once

#include <gerank/status.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace gerank::server {

// PEM files. All empty: no TLS.
struct TlsFiles {
  std::string certificate;  // the server's, and those between it and the root
  std::string key;          // without a passphrase
  std::string client_ca;    // empty: clients need no certificate

  bool any() const { return !certificate.empty() || !key.empty() || !client_ca.empty(); }
};

// Immutable once it is made. Thread-safe. Its connections keep it, whatever comes after it.
using TlsContext = std::shared_ptr<SSL_CTX>;

// Reads the files into a context for servers: TLS 1.3, and 1.2 with the ciphers that HTTP/2 allows;
// the protocol h2 alone; no renegotiation, no compression. Resumption works by tickets, whose key
// belongs to the context.
//
// kInvalidArgument, which names option, file and reason, where a file is missing, is not what it
// should be, or the key is not that of the certificate. Tells the log of a certificate that has
// expired, and takes it.
Status load_tls_context(const TlsFiles& files, TlsContext* context);

// The last error of OpenSSL in this thread, in its words, or `otherwise`. Forgets all errors.
std::string take_tls_error(const char* otherwise);

// Keeps, for its log line, why the handshake of `ssl` is refused by our own rules.
void set_tls_refusal(SSL* ssl, std::string* refusal);

}  // namespace gerank::server
