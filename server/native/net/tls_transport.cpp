#include "tls_transport.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#include "refusal_log.h"

namespace gerank::server {
namespace {

constexpr char kHandshakeRecord = 22;       // the type of a client's first record
constexpr std::size_t kOneRead = 16 << 10;  // the plain text of one record

}  // namespace

TlsTransport::TlsTransport(const TlsContext& context, std::string peer, Shared& shared)
    : peer_(std::move(peer)), shared_(shared), ssl_(SSL_new(context.get())) {
  BIO* const bio = ssl_ ? BIO_new(bio_method()) : nullptr;
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);  // owns it
  SSL_set_accept_state(ssl_.get());
  set_tls_refusal(ssl_.get(), &refusal_);
}

BIO_METHOD* TlsTransport::bio_method() {
  static const std::unique_ptr<BIO_METHOD, Free> method = [] {
    std::unique_ptr<BIO_METHOD, Free> made(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "gerank"));
    if (!made) throw std::bad_alloc();
    BIO_meth_set_read(made.get(), take_in);
    BIO_meth_set_write(made.get(), put_out);
    BIO_meth_set_ctrl(made.get(), [](BIO*, int command, long, void*) -> long {
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return made;
  }();
  return method.get();
}

int TlsTransport::take_in(BIO* bio, char* to, int size) {
  TlsTransport& self = *static_cast<TlsTransport*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self.incoming_.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t part = std::min(std::size_t(size), self.incoming_.size());
  std::memcpy(to, self.incoming_.data(), part);
  self.incoming_.remove_prefix(part);
  return int(part);
}

int TlsTransport::put_out(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  static_cast<TlsTransport*>(BIO_get_data(bio))->own_.append(from, std::size_t(size));
  return size;
}

std::string_view TlsTransport::open(std::string_view from_socket, bool* over) {
  if (!has_begun_ && from_socket.front() != kHandshakeRecord) {
    fail("the client does not speak TLS");  // and gets no answer, since it could not read it
  }
  has_begun_ = true;
  incoming_ = from_socket;
  const bool is_open = stage_ == Stage::kOpen || (stage_ == Stage::kHandshake && shake_hands());
  const std::size_t size = is_open ? read_records() : 0;
  incoming_ = {};
  *over = stage_ == Stage::kOver;
  return {shared_.opened.data(), size};
}

bool TlsTransport::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    stage_ = Stage::kOpen;
    return true;
  }
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return false;
  const long verdict = SSL_get_verify_result(ssl_.get());
  const std::string reason = take_tls_error("the handshake failed");
  if (!refusal_.empty()) {
    fail(refusal_);
  } else if (verdict != X509_V_OK) {
    fail(reason + ": " + X509_verify_cert_error_string(verdict));
  } else {
    fail(reason);
  }
  return false;
}

std::size_t TlsTransport::read_records() {
  std::string& opened = shared_.opened;
  for (std::size_t filled = 0;;) {
    if (opened.size() < filled + kOneRead) opened.resize(filled + kOneRead);
    std::size_t size = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_.get(), opened.data() + filled, kOneRead, &size);
    if (result == 1) {
      has_spoken_ = true;
      filled += size;
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_ZERO_RETURN) {
      lost("the client left");
      finish();
    } else if (error != SSL_ERROR_WANT_READ) {
      fail(take_tls_error("a record is broken"));
    }
    return filled;
  }
}

void TlsTransport::seal(std::string* plain, std::string* to_socket) {
  if (!plain->empty() && stage_ == Stage::kOpen) {
    std::size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_.get(), plain->data(), plain->size(), &written) != 1) {
      fail(take_tls_error("a record cannot be written"));
    }
  }
  plain->clear();
  if (to_socket->empty()) {
    to_socket->swap(own_);
  } else {
    to_socket->append(own_);
  }
  own_.clear();
}

void TlsTransport::finish() {
  if (stage_ == Stage::kOpen) SSL_shutdown(ssl_.get());
  stage_ = Stage::kOver;
  ERR_clear_error();
}

void TlsTransport::lost(std::string_view how) {
  if (stage_ == Stage::kHandshake && has_begun_) {
    fail(std::string(how) + " in the middle of the handshake");
  } else if (stage_ == Stage::kOpen && !has_spoken_) {
    fail(std::string(how) + " right after the handshake: it may not accept the certificate");
  }
}

void TlsTransport::fail(const std::string& reason) {
  stage_ = Stage::kOver;
  tell_of_refusal(peer_, reason);
}

}  // namespace gerank::server
