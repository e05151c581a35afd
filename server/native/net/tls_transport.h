// TLS, over OpenSSL.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "tls_context.h"
#include "transport.h"

namespace gerank::server {

// One handshake, and what is said after it. OpenSSL reads and writes the strings of this class, not
// the socket: it holds at most one record, and while the handshake lasts at most one of its
// messages, which OpenSSL bounds.
class TlsTransport final : public Transport {
 public:
  // What the TLS connections of one thread share.
  struct Shared {
    std::string opened;  // what open() returns views of; as long as it ever had to be
  };

  // `peer` is for the log.
  TlsTransport(const TlsContext& context, std::string peer, Shared& shared);

  std::string_view open(std::string_view from_socket, bool* over) override;
  void seal(std::string* plain, std::string* to_socket) override;
  bool is_ready() const override { return stage_ == Stage::kOpen; }
  std::size_t own_size() const override { return own_.size(); }
  void finish() override;
  void lost(std::string_view how) override;

 private:
  enum class Stage { kHandshake, kOpen, kOver };

  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
  };

  static BIO_METHOD* bio_method();
  static int take_in(BIO* bio, char* to, int size);
  static int put_out(BIO* bio, const char* from, int size);

  bool shake_hands();          // false: it must go on, or has failed
  std::size_t read_records();  // the size of what it read
  void fail(const std::string& reason);

  const std::string peer_;
  Shared& shared_;
  Stage stage_ = Stage::kHandshake;
  std::string refusal_;        // why, where the rules that are broken are ours
  std::string_view incoming_;  // what OpenSSL has not read yet; empty but within open()
  std::string own_;            // what OpenSSL wrote, until seal() takes it
  bool has_begun_ = false;     // something has come
  bool has_spoken_ = false;    // something has come after the handshake
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace gerank::server
