// Reads protobuf's wire format field by field, and accepts what protobuf's own parsers accept.
//
//   FieldReader in(bytes);
//   while (in.next()) {
//     switch (in.tag()) {
//       case varint_tag(1): count = in.int32(); break;
//       default: in.skip();  // an unknown field, or a known one of another wire type
//     }
//   }
//   if (!in.ok()) ...        // the bytes were no message; what was read of them is void
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace gerank::wire {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they lie in memory");

// A field's number and wire type, as they stand before its value.
constexpr std::uint32_t varint_tag(std::uint32_t field) { return field << 3; }
constexpr std::uint32_t fixed64_tag(std::uint32_t field) { return field << 3 | 1; }
constexpr std::uint32_t bytes_tag(std::uint32_t field) { return field << 3 | 2; }
constexpr std::uint32_t fixed32_tag(std::uint32_t field) { return field << 3 | 5; }

class FieldReader {
 public:
  // `may_nest` limits messages and groups within each other; the default is protobuf's own.
  explicit FieldReader(std::string_view message, int may_nest = 100)
      : at_(message.data()), end_(at_ + message.size()), may_nest_(may_nest) {}

  // Goes to the next field, whose value must then be read or skipped. False at the end.
  bool next();
  std::uint32_t tag() const { return tag_; }
  bool ok() const { return ok_; }

  // What was not read yet, and a way past its first bytes.
  std::string_view rest() const { return {at_, std::size_t(end_ - at_)}; }
  void pass(std::size_t size) { at_ += size; }

  // The value of a field, by its wire type. Numbers are cut to their type, as protobuf does.
  std::uint64_t varint();
  std::int32_t int32() { return std::int32_t(std::uint32_t(varint())); }
  template <typename Number>
  Number fixed() {
    Number number{};
    const std::string_view taken = take(sizeof number);
    if (ok_) std::memcpy(&number, taken.data(), sizeof number);
    return number;
  }
  std::string_view bytes() { return take(varint()); }
  std::string_view text();  // bytes that must be UTF-8

  // Lends `read` a reader of the message in this field, which it must read to the end.
  template <typename Read>
  void message(const Read& read) {
    FieldReader in(bytes(), may_nest_ - 1);
    read(in);
    if (!in.ok_) fail();
  }

  // Calls `read` with a reader for each number of this packed field.
  template <typename Read>
  void packed(const Read& read) {
    FieldReader in(bytes());
    while (in.at_ != in.end_) read(in);
    if (!in.ok_) fail();
  }

  void skip();

 private:
  std::string_view take(std::uint64_t size);
  void skip_group();
  void fail();

  const char* at_;
  const char* end_;
  int may_nest_;
  std::uint32_t tag_ = 0;
  bool ok_ = true;
};

}  // namespace gerank::wire
