#include "gzip.h"

#include <gerank/status.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "status_table.h"

namespace gerank::server {
namespace {

constexpr std::size_t kSmallest = 18;        // header and end
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
  Inflater() : works_(inflateInit2(&stream_, kGzipWindow) == Z_OK) {}
  ~Inflater() {
    if (works_) inflateEnd(&stream_);
  }

  // Whether `packed` is one whole stream of exactly so many bytes.
  bool fill(std::string_view packed, char* to, std::size_t size) {
    if (!works_) return false;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = uInt(packed.size());
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = uInt(size);
    int result = ::inflate(&stream_, Z_FINISH);
    if (result == Z_BUF_ERROR && stream_.avail_out == 0) {  // its end may still follow
      Bytef beyond;
      stream_.next_out = &beyond;
      stream_.avail_out = 1;
      result = ::inflate(&stream_, Z_FINISH);
      if (stream_.avail_out == 0) return false;
      stream_.avail_out = 0;
    }
    return result == Z_STREAM_END && stream_.avail_out == 0 && stream_.avail_in == 0;
  }

 private:
  z_stream stream_{};
  bool works_;
};

}  // namespace

CallStatus inflate(std::string_view packed, std::size_t most, ConnectionBudget& budget,
                   MessageBytes* message) {
  if (packed.size() < kSmallest) return damaged();
  const std::size_t size = told_size(packed);
  if (size > most) return too_large(size, most);
  if (!budget.has_room(std::int64_t(size))) return no_room();
  Holding holding(budget);
  holding.add(std::int64_t(size));
  MessageBytes inflated(size, std::move(holding));
  if (!Inflater().fill(packed, inflated.data(), size)) return damaged();
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
  return to_call_status(
      Status::exhausted("the server holds as many bytes of callers as it may", kRetryAfter));
}

}  // namespace gerank::server
