#include "gzip.h"

#include <gerank/status.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "status_table.h"

namespace gerank::server {
namespace {

constexpr std::size_t kSmallest = 18;  // header and end
constexpr std::size_t kPassing = 64 << 10, kProbed = 1 << 20;
constexpr int kGzipWindow = MAX_WBITS + 16;  // of zlib: the gzip form alone
constexpr std::chrono::milliseconds kRetryAfter{100};

CallStatus damaged() {
  return {int(Code::kInternal), "the message is no gzip stream, or a damaged one", {}};
}

std::size_t told_size(std::string_view packed) {
  std::uint32_t size = 0;  // the last four bytes, little-endian
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  std::memcpy(&size, packed.data() + packed.size() - sizeof size, sizeof size);
  return size;
}

class Inflater {
 public:
  explicit Inflater(std::string_view packed) : made_(inflateInit2(&stream_, kGzipWindow) == Z_OK) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = uInt(packed.size());
  }
  ~Inflater() {
    if (made_) inflateEnd(&stream_);
  }

  // Inflates up to `size` bytes more, and tells how many.
  std::size_t fill(char* to, std::size_t size) {
    if (!made_ || damaged_ || ended_) return 0;
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = uInt(size);
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) ended_ = true;
    if (result != Z_OK && result != Z_STREAM_END) damaged_ = true;
    return size - stream_.avail_out;
  }

  // Whether it was one whole stream with nothing behind it.
  bool is_whole() const { return ended_ && stream_.avail_in == 0; }

 private:
  z_stream stream_{};
  const bool made_;
  bool damaged_ = false, ended_ = false;
};

// Whether what tells a size above `most` is to be believed: it inflates to `most` bytes, or to so
// many that it is no damaged small one. Keeps none of them; all of them would take others' time.
bool is_above(std::string_view packed, std::size_t most) {
  Inflater inflater(packed);
  std::vector<char> passing(kPassing);
  for (std::size_t total = 0; total <= std::min(most, kProbed);) {
    const std::size_t size = inflater.fill(passing.data(), passing.size());
    if (size == 0) return false;
    total += size;
  }
  return true;
}

}  // namespace

CallStatus inflate(std::string_view packed, std::size_t most, ConnectionBudget& budget,
                   MessageBytes* message) {
  if (packed.size() < kSmallest) return damaged();
  const std::size_t size = told_size(packed);
  if (size > most) return is_above(packed, most) ? too_large(size, most) : damaged();
  Holding holding;
  if (!budget.let_in(std::int64_t(size), &holding)) return no_room();
  MessageBytes inflated(size, std::move(holding));
  Inflater inflater(packed);
  char beyond;
  const bool fits =
      (size == 0 || inflater.fill(inflated.data(), size) == size) && inflater.fill(&beyond, 1) == 0;
  if (!fits || !inflater.is_whole()) return damaged();
  *message = std::move(inflated);
  return {};
}

CallStatus too_large(std::size_t size, std::size_t most) {
  return {int(Code::kResourceExhausted),
          "Received message larger than max (" + std::to_string(size) + " vs. " +
              std::to_string(most) + ")",
          {}};
}

CallStatus no_room() {
  return exhausted(
      Status::exhausted("the server holds as many bytes of callers as it may", kRetryAfter));
}

}  // namespace gerank::server
