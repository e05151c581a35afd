// No TLS.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "refusal_log.h"
#include "transport.h"

namespace gerank::server {

// The bytes as they are.
class PlainTransport final : public Transport {
 public:
  // Tells the log of a client that speaks TLS, by its peer.
  explicit PlainTransport(std::string peer) : peer_(std::move(peer)) {}

  std::string_view open(std::string_view from_socket, bool* over) override {
    if (std::exchange(is_first_, false) && from_socket.front() == kTlsHandshake) {
      tell_of_refusal(peer_, "the client speaks TLS, and this server does not");
      *over = true;
      return {};
    }
    return from_socket;
  }

  void seal(std::string* plain, std::string* to_socket) override {
    if (to_socket->empty()) {
      to_socket->swap(*plain);
    } else {
      to_socket->append(*plain);
    }
    plain->clear();
  }

  bool is_ready() const override { return true; }
  std::size_t own_size() const override { return 0; }
  void finish() override {}
  void lost(std::string_view) override {}

 private:
  static constexpr char kTlsHandshake = 22;  // the first byte of its first record

  const std::string peer_;
  bool is_first_ = true;
};

}  // namespace gerank::server
