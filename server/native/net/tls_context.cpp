#include "tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "../log/log.h"
#include "option_file.h"

namespace gerank::server {
namespace {

constexpr const char* kCertificate = "tls_certificate";
constexpr const char* kKey = "tls_key";
constexpr const char* kClientCa = "tls_client_ca";

// Forward secrecy and authenticated encryption: all that RFC 9113, appendix A, leaves of TLS 1.2.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

constexpr std::string_view kProtocol("\x02h2", 3);     // as ALPN writes it
constexpr std::size_t kLargestClientChain = 64 << 10;  // bytes
constexpr std::size_t kShownProtocols = 80;

template <auto Free>
struct Freed {
  template <typename Object>
  void operator()(Object* object) const {
    Free(object);
  }
};

using Bytes = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

Bytes bytes_of(const std::string& text) {
  Bytes bytes(BIO_new_mem_buf(text.data(), int(text.size())));
  if (!bytes) throw std::bad_alloc();
  return bytes;
}

// A server has nobody to ask for a passphrase.
int no_passphrase(char*, int, int, void*) { return -1; }

Status read_certificates(const char* option, const std::string& path,
                         std::vector<Certificate>* certificates) {
  std::string text;
  if (Status status = read_option_file(option, path, &text); !status) return status;
  const Bytes bytes = bytes_of(text);
  ERR_clear_error();
  while (X509* const read = PEM_read_bio_X509(bytes.get(), nullptr, no_passphrase, nullptr)) {
    certificates->emplace_back(read);
  }
  // Behind the last one there is no further beginning.
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = take_tls_error("none");
  if (at_end && !certificates->empty()) return {};
  return Status::invalid(option, reason, path + " must hold certificates in PEM");
}

int select_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  unsigned char* found = nullptr;
  const auto* ours = reinterpret_cast<const unsigned char*>(kProtocol.data());
  if (SSL_select_next_proto(&found, size, ours, unsigned(kProtocol.size()), offered,
                            offered_size) == OPENSSL_NPN_NEGOTIATED) {
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
  }
  std::string names;
  for (unsigned at = 0; at < offered_size && names.size() < kShownProtocols;
       at += offered[at] + 1) {
    if (at > 0) names += ", ";
    names.append(reinterpret_cast<const char*>(offered + at + 1), offered[at]);
  }
  names.resize(std::min(names.size(), kShownProtocols));
  std::replace_if(
      names.begin(), names.end(), [](char each) { return each < ' ' || each > '~'; }, '?');
  auto* const refusal = static_cast<std::string*>(SSL_get_app_data(ssl));
  *refusal = "the client offers the protocols '" + names + "', and only h2 is spoken here";
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// select_protocol() is not asked about clients that offer none.
int require_protocols(SSL* ssl, int* alert, void*) {
  const unsigned char* offered = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &offered,
                                &size) == 1) {
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  *static_cast<std::string*>(SSL_get_app_data(ssl)) =
      "the client offers no protocol (ALPN), and only h2 is spoken here";
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

TlsContext new_context() {
  TlsContext made(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX* const context = made.get();
  if (context == nullptr) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kCiphers);
  SSL_CTX_set_options(
      context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);          // connections at rest hold none
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets hold nothing here
  constexpr unsigned char kWhose[] = "gerank";
  SSL_CTX_set_session_id_context(context, kWhose, sizeof kWhose - 1);
  SSL_CTX_set_max_cert_list(context, kLargestClientChain);
  SSL_CTX_set_alpn_select_cb(context, select_protocol, nullptr);
  SSL_CTX_set_client_hello_cb(context, require_protocols, nullptr);
  return made;
}

void tell_if_expired(const std::string& path, const X509* certificate) {
  const ASN1_TIME* const end = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(end) > 0) return;
  const Bytes date(BIO_new(BIO_s_mem()));
  char text[64] = "";
  ASN1_TIME_print(date.get(), end);
  BIO_gets(date.get(), text, sizeof text);
  Log::of_process().tell(LogLevel::kWarning, "certificate_expired",
                         std::string(kCertificate) + ": " + path + " expired on " + text,
                         {{"path", path}, {"expired", text}});
}

Status use_certificate(const std::string& path, SSL_CTX* context) {
  std::vector<Certificate> chain;
  if (Status status = read_certificates(kCertificate, path, &chain); !status) return status;
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) {
    return Status::invalid(kCertificate, take_tls_error("another one"),
                           path + " must begin with a certificate that TLS can use");
  }
  tell_if_expired(path, chain.front().get());
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add0_chain_cert(context, chain[i].get()) == 1) (void)chain[i].release();
  }
  return {};
}

Status use_key(const std::string& path, SSL_CTX* context) {
  std::string text;
  if (Status status = read_option_file(kKey, path, &text); !status) return status;
  ERR_clear_error();
  const Key key(PEM_read_bio_PrivateKey(bytes_of(text).get(), nullptr, no_passphrase, nullptr));
  OPENSSL_cleanse(text.data(), text.size());
  if (!key) {
    return Status::invalid(kKey, take_tls_error("none"),
                           path + " must hold a private key in PEM, without a passphrase");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) == 1) return {};
  return Status::invalid(kKey, take_tls_error("another one"),
                         path + " must be the key of tls_certificate");
}

Status use_client_ca(const std::string& path, SSL_CTX* context) {
  std::vector<Certificate> roots;
  if (Status status = read_certificates(kClientCa, path, &roots); !status) return status;
  for (const Certificate& root : roots) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root.get()) != 1 ||
        SSL_CTX_add_client_CA(context, root.get()) != 1) {
      return Status::invalid(kClientCa, take_tls_error("another one"),
                             path + " must hold certificates that can be trusted");
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return {};
}

}  // namespace

Status load_tls_context(const TlsFiles& files, TlsContext* context) {
  TlsContext made = new_context();
  if (Status status = use_certificate(files.certificate, made.get()); !status) return status;
  if (Status status = use_key(files.key, made.get()); !status) return status;
  if (!files.client_ca.empty()) {
    if (Status status = use_client_ca(files.client_ca, made.get()); !status) return status;
  }
  *context = std::move(made);
  return {};
}

std::string take_tls_error(const char* otherwise) {
  const char* const words = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return words != nullptr ? words : otherwise;
}

void set_tls_refusal(SSL* ssl, std::string* refusal) { SSL_set_app_data(ssl, refusal); }

}  // namespace gerank::server
