// Writes protobuf's wire format, field by field. As proto3 has it, what is 0 or empty is left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gerank::wire {

class FieldWriter {
 public:
  void varint(std::uint64_t value) { append_varint(bytes_, value); }

  void number(std::uint32_t field, std::uint64_t value) {
    if (value != 0) optional_number(field, value);
  }

  // A field that is there also where it is 0.
  void optional_number(std::uint32_t field, std::uint64_t value) {
    varint(field << 3);
    varint(value);
  }

  // An element of a repeated field: one that is empty counts too.
  void element(std::uint32_t field, std::string_view bytes) {
    varint(field << 3 | 2);
    varint(bytes.size());
    bytes_.append(bytes);
  }

  void text(std::uint32_t field, std::string_view text) {
    if (!text.empty()) element(field, text);
  }

  void floats(std::uint32_t field, std::span<const float> values) {
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are sent as they lie here");
    text(field, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  }

  // As optional_number.
  void optional_real(std::uint32_t field, double value) {
    varint(field << 3 | 1);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void numbers(std::uint32_t field, std::span<const std::int32_t> values) {
    if (values.empty()) return;
    message(field, [&] {
      for (const std::int32_t value : values) varint(std::uint64_t(std::int64_t(value)));
    });
  }

  // `write` writes the message's fields, or a packed field's numbers.
  template <typename Write>
  void message(std::uint32_t field, const Write& write) {
    varint(field << 3 | 2);
    const std::size_t begin = bytes_.size();
    write();
    std::string size;  // goes before what it is the size of
    append_varint(size, bytes_.size() - begin);
    bytes_.insert(begin, size);
  }

  std::string take() { return std::move(bytes_); }

 private:
  static void append_varint(std::string& bytes, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes.push_back(char(value | 0x80));
    bytes.push_back(char(value));
  }

  std::string bytes_;
};

}  // namespace gerank::wire
