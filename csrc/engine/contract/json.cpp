#include "json.h"

#include <charconv>
#include <cmath>

#include "python_text.h"

namespace gerank {
namespace {

constexpr int kDeepest = 64;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool read_document(Json* value) {
    skip_space();
    if (!read(value, 0)) return false;
    skip_space();
    return at_ == text_.size() || fail("extra text");
  }

  const std::string& error() const { return error_; }

 private:
  bool fail(const char* what) {
    if (error_.empty()) error_ = std::string(what) + " at byte " + std::to_string(at_);
    return false;
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }

  bool take(char expected) {
    if (at_ == text_.size() || text_[at_] != expected) return false;
    ++at_;
    return true;
  }

  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool read(Json* value, int depth) {
    if (depth > kDeepest) return fail("too deep");
    if (at_ == text_.size()) return fail("end of text");
    const std::size_t begin = at_;
    if (!read_value(value, depth)) return false;
    value->source = text_.substr(begin, at_ - begin);
    return true;
  }

  bool read_value(Json* value, int depth) {
    switch (text_[at_]) {
      case '{':
        value->type = Json::Type::kObject;
        return read_object(value, depth);
      case '[':
        value->type = Json::Type::kArray;
        return read_array(value, depth);
      case '"':
        value->type = Json::Type::kString;
        return read_string(&value->text);
      default:
        return read_word(value) || read_number(value);
    }
  }

  bool read_word(Json* value) {
    if (take("null")) return true;
    if (take("NaN")) return constant(value, std::nan(""));
    if (take("Infinity")) return constant(value, HUGE_VAL);
    if (take("-Infinity")) return constant(value, -HUGE_VAL);
    const bool yes = take("true");
    if (!yes && !take("false")) return false;
    value->type = Json::Type::kBool;
    value->truth = yes;
    return true;
  }

  static bool constant(Json* value, double real) {
    value->type = Json::Type::kReal;
    value->real = real;
    return true;
  }

  bool read_object(Json* value, int depth) {
    ++at_;
    skip_space();
    if (take('}')) return true;
    do {
      skip_space();
      std::string key;
      if (at_ == text_.size() || text_[at_] != '"') return fail("no key");
      if (!read_string(&key)) return false;
      if (value->find(key) != nullptr) return fail("a key twice");
      skip_space();
      if (!take(':')) return fail("no colon");
      skip_space();
      value->members.emplace_back(std::move(key), Json{});
      if (!read(&value->members.back().second, depth + 1)) return false;
      skip_space();
    } while (take(','));
    return take('}') || fail("no closing brace");
  }

  bool read_array(Json* value, int depth) {
    ++at_;
    skip_space();
    if (take(']')) return true;
    do {
      skip_space();
      value->items.emplace_back();
      if (!read(&value->items.back(), depth + 1)) return false;
      skip_space();
    } while (take(','));
    return take(']') || fail("no closing bracket");
  }

  bool read_string(std::string* out) {
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      const char character = text_[at_++];
      if (static_cast<unsigned char>(character) < 0x20) return fail("a control character");
      if (character != '\\') {
        *out += character;
      } else if (!read_escape(out)) {
        return fail("a wrong escape");
      }
    }
    return take('"') || fail("an open string");
  }

  bool read_escape(std::string* out) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    if (at_ == text_.size()) return false;
    const char name = text_[at_++];
    if (const std::size_t which = kNames.find(name); which != kNames.npos) {
      *out += kMeanings[which];
      return true;
    }
    std::uint32_t code = 0, low = 0;
    if (name != 'u' || !read_hex(&code)) return false;
    if (code >= 0xD800 && code < 0xDC00) {
      if (!take("\\u") || !read_hex(&low) || low < 0xDC00 || low > 0xDFFF) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
      return false;
    }
    append_utf8(out, code);
    return true;
  }

  bool read_hex(std::uint32_t* code) {
    const std::string_view digits = text_.substr(at_, 4);
    const auto end = digits.data() + digits.size();
    at_ += digits.size();
    return digits.size() == 4 && std::from_chars(digits.data(), end, *code, 16).ptr == end;
  }

  static void append_utf8(std::string* out, std::uint32_t code) {
    const auto tail = [&](int shift) {
      *out += static_cast<char>(0x80 | ((code >> shift) & 0x3F));
    };
    if (code < 0x80) {
      *out += static_cast<char>(code);
    } else if (code < 0x800) {
      *out += static_cast<char>(0xC0 | (code >> 6));
      tail(0);
    } else if (code < 0x10000) {
      *out += static_cast<char>(0xE0 | (code >> 12));
      tail(6);
      tail(0);
    } else {
      *out += static_cast<char>(0xF0 | (code >> 18));
      tail(12);
      tail(6);
      tail(0);
    }
  }

  bool take_digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > begin;
  }

  bool read_number(Json* value) {
    const std::size_t begin = at_;
    take('-');
    const std::size_t digits = at_;
    if (!take_digits()) return fail("no value");
    if (text_[digits] == '0' && at_ > digits + 1) return fail("a leading zero");
    bool whole = true;
    if (take('.')) {
      whole = false;
      if (!take_digits()) return fail("no digit");
    }
    if (take('e') || take('E')) {
      whole = false;
      if (!take('+')) take('-');
      if (!take_digits()) return fail("no digit");
    }
    return convert(text_.substr(begin, at_ - begin), whole, value);
  }

  bool convert(std::string_view number, bool whole, Json* value) {
    const auto end = number.data() + number.size();
    const auto real = std::from_chars(number.data(), end, value->real);
    if (real.ptr != end || real.ec != std::errc()) return fail("no number");
    value->type = Json::Type::kReal;
    if (!whole) return true;
    const auto integer = std::from_chars(number.data(), end, value->integer);
    if (integer.ec == std::errc()) value->type = Json::Type::kInteger;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string error_;
};

}  // namespace

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : members) {
    if (name == key) return &value;
  }
  return nullptr;
}

Status Json::parse(std::string_view text, Json* value) {
  Reader reader(text);
  *value = Json{};
  if (reader.read_document(value)) return {};
  return Status(Code::kFailedPrecondition, "no JSON: " + reader.error());
}

std::string repr(const Json& value) {
  std::string out;
  switch (value.type) {
    case Json::Type::kNull:
      return "None";
    case Json::Type::kBool:
      return value.truth ? "True" : "False";
    case Json::Type::kInteger:
      return repr(value.integer);
    case Json::Type::kReal:
      return repr(value.real);
    case Json::Type::kString:
      return repr(std::string_view(value.text));
    case Json::Type::kArray:
      for (const Json& item : value.items) out += (out.empty() ? "" : ", ") + repr(item);
      return "[" + out + "]";
    case Json::Type::kObject:
      for (const auto& [name, member] : value.members) {
        out += (out.empty() ? "" : ", ") + repr(std::string_view(name)) + ": " + repr(member);
      }
      return "{" + out + "}";
  }
  return out;
}

}  // namespace gerank
