// The memory of one message.
#pragma once

#include <cstddef>
#include <string_view>

#include "../http2/byte_budget.h"

namespace gerank::server {

// A message of `size` bytes, which are not set yet, and their place in the budget. A large one goes
// back to the machine when it ends: malloc would keep it.
class MessageBytes {
 public:
  MessageBytes() = default;
  MessageBytes(std::size_t size, Holding holding);
  MessageBytes(MessageBytes&& other) noexcept { *this = std::move(other); }
  MessageBytes& operator=(MessageBytes&& other) noexcept;
  ~MessageBytes() { clear(); }

  char* data() { return data_; }
  std::size_t size() const { return size_; }
  std::string_view view() const { return {data_, size_}; }

  // See Holding::leave_connection.
  void leave_connection() { holding_.leave_connection(); }

  // Gives the memory back.
  void clear();

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  Holding holding_;
};

}  // namespace gerank::server
