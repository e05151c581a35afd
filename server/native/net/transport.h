// What lies between the bytes of a socket and those of HTTP/2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gerank::server {

// Belongs to one connection. Used by its thread.
class Transport {
 public:
  virtual ~Transport() = default;

  // What bytes from the socket say; valid until the next call to any transport of this thread. Sets
  // `over` where the peer has said its last, or something against the rules: the connection must
  // end when what seal() still appends was sent.
  virtual std::string_view open(std::string_view from_socket, bool* over) = 0;

  // Appends to `to_socket` the form in which `plain` travels, and empties `plain`. May append bytes
  // of its own where there is nothing to send.
  virtual void seal(std::string* plain, std::string* to_socket) = 0;

  // Whether seal() can take anything but an empty `plain`.
  virtual bool is_ready() const = 0;

  // How many bytes of its own seal() would append now.
  virtual std::size_t own_size() const = 0;

  // Nothing more will be sent: says so to the peer, in what seal() appends next.
  virtual void finish() = 0;

  // The connection ends without a word of the peer's; `how` is the beginning of a sentence.
  virtual void lost(std::string_view how) = 0;
};

}  // namespace gerank::server
