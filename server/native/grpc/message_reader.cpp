#include "message_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace gerank::server {
namespace {

std::string_view cut(std::string_view* data, std::size_t at_most) {
  const std::string_view head = data->substr(0, at_most);
  data->remove_prefix(head.size());
  return head;
}

}  // namespace

MessageReader::Event MessageReader::read(std::string_view* data) {
  if (prefix_size_ < prefix_.size()) {
    const std::string_view head = cut(data, prefix_.size() - prefix_size_);
    head.copy(prefix_.data() + prefix_size_, head.size());
    prefix_size_ += head.size();
    if (prefix_size_ < prefix_.size()) return Event::kMore;
    size_ = 0;
    for (std::size_t i = 1; i < prefix_.size(); ++i) size_ = size_ << 8 | std::uint8_t(prefix_[i]);
    return Event::kAnnounced;
  }
  if (!has_room_) {
    early_.append(cut(data, size_ - early_.size()));
    return Event::kMore;
  }
  const std::string_view body = cut(data, size_ - filled_);
  if (!body.empty()) std::memcpy(bytes_.data() + filled_, body.data(), body.size());
  filled_ += body.size();
  return filled_ == size_ ? Event::kComplete : Event::kMore;
}

void MessageReader::give_room(MessageBytes bytes) {
  has_room_ = true;
  bytes_ = std::move(bytes);
  filled_ = early_.size();
  if (filled_ > 0) std::memcpy(bytes_.data(), early_.data(), filled_);
  early_ = {};
}

MessageBytes MessageReader::take() {
  MessageBytes taken = std::move(bytes_);
  clear();
  return taken;
}

void MessageReader::clear() {
  prefix_size_ = size_ = filled_ = 0;
  has_room_ = false;
  if (early_.capacity() > 0) early_ = {};
  bytes_.clear();
}

}  // namespace gerank::server
