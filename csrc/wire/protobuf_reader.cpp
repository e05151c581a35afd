#include "protobuf_reader.h"

#include "utf8.h"

namespace gerank::wire {

bool FieldReader::next() {
  if (at_ == end_) return false;
  const char* const start = at_;
  const std::uint64_t tag = varint();
  tag_ = std::uint32_t(tag);
  if (ok_ && (at_ - start > 5 || tag > UINT32_MAX || tag_ >> 3 == 0)) fail();
  return ok_;
}

std::uint64_t FieldReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {  // ten bytes at most
    const auto byte = std::uint8_t(*at_++);
    value |= std::uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail();
  return 0;
}

std::string_view FieldReader::text() {
  const std::string_view text = bytes();
  if (!is_utf8(text)) fail();
  return text;
}

void FieldReader::skip() {
  const std::uint32_t type = tag_ & 7;
  if (type == 0) return void(varint());
  if (type == 1) return void(take(8));
  if (type == 2) return void(bytes());
  if (type == 3) return skip_group();
  if (type == 5) return void(take(4));
  fail();  // the end of a group that did not begin, or no wire type
}

void FieldReader::skip_group() {
  const std::uint32_t end = tag_ + 1;
  if (--may_nest_ < 0) return fail();
  for (; next(); skip()) {
    if (tag_ == end) return void(++may_nest_);
  }
  fail();
}

void FieldReader::fail() {
  ok_ = false;
  at_ = end_;
}

std::string_view FieldReader::take(std::uint64_t size) {
  if (size > std::uint64_t(end_ - at_)) fail();
  if (!ok_) return {};
  const char* const first = at_;
  at_ += size;
  return {first, std::size_t(size)};
}

}  // namespace gerank::wire
