#include "zip_directory.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>

#include "refusal.h"

namespace gerank {
namespace {

constexpr std::uint32_t kEntry = 0x02014b50, kLocalHeader = 0x04034b50, kEnd = 0x06054b50,
                        kLargeEnd = 0x06064b50, kLargeEndLocator = 0x07064b50;
constexpr std::size_t kEntrySize = 46, kLocalHeaderSize = 30, kEndSize = 22, kLargeEndSize = 56,
                      kLargeEndLocatorSize = 20;
constexpr std::size_t kLongestComment = 0xFFFF;
constexpr std::uint16_t kEncrypted = 1, kLargeField = 1;
constexpr std::uint32_t kElsewhere = 0xFFFFFFFF;  // the number is in the field of large numbers

[[noreturn]] void refuse(const std::string& why) {
  throw Refusal{"not an artifact, truncated or altered: " + why};
}

// A little-endian number at `at`, which the caller knows to lie within.
template <typename T>
T number(std::string_view bytes, std::size_t at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(bytes[at + i])) << (8 * i));
  }
  return value;
}

std::string read(const ByteSource& archive, std::uint64_t position, std::uint64_t count,
                 const char* what) {
  if (position > archive.size() || count > archive.size() - position) {
    refuse(std::string(what) + " would lie beyond the end of the file");
  }
  std::string bytes(static_cast<std::size_t>(count), '\0');
  if (!archive.read(position, bytes.data(), bytes.size())) {
    refuse(std::string(what) + " cannot be read");
  }
  return bytes;
}

struct Directory {
  std::uint64_t position, size, entries;
};

// Where the archive's last bytes say that its directory is.
Directory find_directory(const ByteSource& archive) {
  if (archive.size() < kEndSize) refuse("it is too short for a zip archive");
  const std::uint64_t length = std::min<std::uint64_t>(archive.size(), kEndSize + kLongestComment);
  const std::uint64_t start = archive.size() - length;
  const std::string tail = read(archive, start, length, "its end");
  std::size_t at = tail.size() - kEndSize;
  const auto is_end = [&] {
    return number<std::uint32_t>(tail, at) == kEnd &&
           number<std::uint16_t>(tail, at + 20) == tail.size() - at - kEndSize;
  };
  while (!is_end()) {
    if (at-- == 0) refuse("it has no zip directory at its end");
  }
  const Directory small = {number<std::uint32_t>(tail, at + 16),
                           number<std::uint32_t>(tail, at + 12),
                           number<std::uint16_t>(tail, at + 10)};
  if (start + at < kLargeEndLocatorSize) return small;
  const std::string locator = read(archive, start + at - kLargeEndLocatorSize, kLargeEndLocatorSize,
                                   "its directory's place");
  if (number<std::uint32_t>(locator, 0) != kLargeEndLocator) return small;
  const std::string large =
      read(archive, number<std::uint64_t>(locator, 8), kLargeEndSize, "its directory's place");
  if (number<std::uint32_t>(large, 0) != kLargeEnd) refuse("its directory's place is malformed");
  return {number<std::uint64_t>(large, 48), number<std::uint64_t>(large, 40),
          number<std::uint64_t>(large, 32)};
}

// The numbers of an entry that do not fit into 32 bits stand in a field of their own, in this
// order.
void read_large_numbers(std::string_view fields, ZipEntry* entry) {
  std::uint64_t* const numbers[] = {&entry->size, &entry->packed, &entry->position};
  while (fields.size() >= 4) {
    const auto id = number<std::uint16_t>(fields, 0);
    const std::size_t length = number<std::uint16_t>(fields, 2);
    if (length > fields.size() - 4) refuse("an entry's extra field is malformed");
    if (id == kLargeField) {
      std::size_t at = 4;
      for (std::uint64_t* value : numbers) {
        if (*value != kElsewhere) continue;
        if (at + 8 > 4 + length) refuse("an entry's extra field is malformed");
        *value = number<std::uint64_t>(fields, at);
        at += 8;
      }
      return;
    }
    fields.remove_prefix(4 + length);
  }
}

// The name and the extra field of a local header may be of other lengths than the directory's.
void find_content(const ByteSource& archive, ZipEntry* entry) {
  const std::string header = read(archive, entry->position, kLocalHeaderSize, "an entry");
  if (number<std::uint32_t>(header, 0) != kLocalHeader) {
    refuse("entry '" + entry->name + "' is not where the directory says");
  }
  entry->position += kLocalHeaderSize + number<std::uint16_t>(header, 26) +
                     std::uint64_t{number<std::uint16_t>(header, 28)};
  if (entry->position > archive.size() || entry->packed > archive.size() - entry->position) {
    refuse("entry '" + entry->name + "' would end beyond the end of the file");
  }
}

}  // namespace

std::vector<ZipEntry> read_directory(const ByteSource& archive) {
  const Directory place = find_directory(archive);
  const std::string directory = read(archive, place.position, place.size, "its directory");
  std::string_view rest = directory;
  std::vector<ZipEntry> entries;
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < place.entries; ++i) {
    if (rest.size() < kEntrySize || number<std::uint32_t>(rest, 0) != kEntry) {
      refuse("its directory is malformed at entry " + std::to_string(i));
    }
    const std::size_t name = number<std::uint16_t>(rest, 28),
                      extra = number<std::uint16_t>(rest, 30),
                      comment = number<std::uint16_t>(rest, 32);
    if (name + extra + comment > rest.size() - kEntrySize) {
      refuse("its directory is malformed at entry " + std::to_string(i));
    }
    ZipEntry entry;
    entry.name = rest.substr(kEntrySize, name);
    if ((number<std::uint16_t>(rest, 8) & kEncrypted) != 0) {
      refuse("entry '" + entry.name + "' is encrypted");
    }
    entry.packed = number<std::uint32_t>(rest, 20);
    entry.size = number<std::uint32_t>(rest, 24);
    entry.position = number<std::uint32_t>(rest, 42);
    read_large_numbers(rest.substr(kEntrySize + name, extra), &entry);
    entry.is_stored = number<std::uint16_t>(rest, 10) == 0;
    if (entry.is_stored && entry.packed != entry.size) {
      refuse("entry '" + entry.name + "' has two sizes");
    }
    find_content(archive, &entry);
    if (!names.insert(entry.name).second) refuse("entry '" + entry.name + "' comes twice");
    entries.push_back(std::move(entry));
    rest.remove_prefix(kEntrySize + name + extra + comment);
  }
  return entries;
}

}  // namespace gerank
