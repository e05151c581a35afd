// What lies between the bytes of a socket and those of HTTP/2.
#pragma once

#include <string>
#include <string_view>

namespace gerank::server {

// Belongs to one connection. Used by its thread.
class Transport {
 public:
  virtual ~Transport() = default;

  // What bytes from the socket say; valid until the next call. Sets `broken` where they are against
  // the rules: the connection must end.
  virtual std::string_view open(std::string_view from_socket, bool* broken) = 0;

  // Appends to `to_socket` the form in which `plain` travels, and empties `plain`. May append bytes
  // of its own where there is nothing to send.
  virtual void seal(std::string* plain, std::string* to_socket) = 0;
};

// The bytes as they are.
class PlainTransport final : public Transport {
 public:
  std::string_view open(std::string_view from_socket, bool*) override { return from_socket; }

  void seal(std::string* plain, std::string* to_socket) override {
    if (to_socket->empty()) {
      to_socket->swap(*plain);
    } else {
      to_socket->append(*plain);
    }
    plain->clear();
  }
};

}  // namespace gerank::server
