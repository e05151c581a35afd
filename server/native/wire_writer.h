// Writes protobuf's wire format straight into the buffer that is sent: no message is filled in
// between. What is written is a function of an output; it runs twice, over a WireSize, which tells
// how long it gets, then over WireBytes.
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace gerank::server {

class WireSize {
 public:
  void varint(std::uint64_t value) {
    size_ += google::protobuf::io::CodedOutputStream::VarintSize64(value);
  }
  void bytes(const void*, std::size_t size) { size_ += size; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
};

class WireBytes {
 public:
  explicit WireBytes(std::uint8_t* at) : at_(at) {}

  void varint(std::uint64_t value) {
    at_ = google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(value, at_);
  }
  void bytes(const void* data, std::size_t size) {
    if (size > 0) std::memcpy(at_, data, size);
    at_ += size;
  }

 private:
  std::uint8_t* at_;
};

template <typename Body>
std::size_t wire_size(const Body& body) {
  WireSize size;
  body(size);
  return size.size();
}

// The fields of a message, by number. As proto3 has it, what is 0 or empty is left out.

template <typename Out>
void write_delimited(Out& out, int field, std::size_t size) {
  constexpr int kLengthDelimited = 2;
  out.varint(std::uint64_t(field) << 3 | kLengthDelimited);
  out.varint(size);
}

template <typename Out>
void write_number(Out& out, int field, std::int64_t value) {
  if (value == 0) return;
  out.varint(std::uint64_t(field) << 3);
  out.varint(std::uint64_t(value));
}

// An element of a repeated field: one that is empty counts too.
template <typename Out>
void write_element(Out& out, int field, std::string_view text) {
  write_delimited(out, field, text.size());
  out.bytes(text.data(), text.size());
}

template <typename Out>
void write_text(Out& out, int field, std::string_view text) {
  if (!text.empty()) write_element(out, field, text);
}

template <typename Out>
void write_floats(Out& out, int field, std::span<const float> values) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are sent as they lie in memory");
  if (values.empty()) return;
  write_delimited(out, field, values.size_bytes());
  out.bytes(values.data(), values.size_bytes());
}

// `body` writes the message's fields, or a packed field's numbers.
template <typename Out, typename Body>
void write_message(Out& out, int field, const Body& body) {
  const std::size_t size = wire_size(body);
  write_delimited(out, field, size);
  if constexpr (std::is_same_v<Out, WireSize>) {
    out.bytes(nullptr, size);
  } else {
    body(out);
  }
}

template <typename Out>
void write_numbers(Out& out, int field, std::span<const std::int32_t> values) {
  if (values.empty()) return;
  write_message(out, field, [values](auto& packed) {
    for (const std::int32_t value : values) packed.varint(std::uint64_t(std::int64_t(value)));
  });
}

}  // namespace gerank::server
