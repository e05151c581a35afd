// Length-prefixed messages, however they are cut into DATA frames.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "message_bytes.h"

namespace gerank::server {

// Reads message after message of one call:
//
//   kMore       all was read
//   kAnnounced  the prefix of a message was read; it needs room before it can be read on
//   kComplete   a message is whole: take() it
class MessageReader {
 public:
  enum class Event { kMore, kAnnounced, kComplete };

  // Reads from the front of `data` on, until something has happened. As long as an announced
  // message has no room, its bytes are kept apart.
  Event read(std::string_view* data);

  // The announced message has this compressed-flag, and this size as it travels.
  std::uint8_t flag() const { return std::uint8_t(prefix_[0]); }
  std::size_t size() const { return size_; }

  // Lets the announced message in; `bytes` is of its size.
  void give_room(MessageBytes bytes);

  // Bytes that came of an announced message without room.
  std::size_t early_size() const { return early_.size(); }

  MessageBytes take();

  // Whether no message has begun that is not whole.
  bool is_between_messages() const { return prefix_size_ == 0; }

  // Forgets all; the memory goes back.
  void clear();

 private:
  std::array<char, 5> prefix_;
  std::size_t prefix_size_ = 0;  // bytes of it that came
  std::size_t size_ = 0;
  bool has_room_ = false;
  std::string early_;
  MessageBytes bytes_;
  std::size_t filled_ = 0;  // bytes of the message
};

}  // namespace gerank::server
