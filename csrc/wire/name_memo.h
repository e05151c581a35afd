// The lists of feature names that callers send again and again.
//
// A client names its features alike in every call, and to read and look up 64 names costs more than
// the numbers of 20 candidates under them. A block that begins as one did before is read without.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gerank::wire {

// The names at the beginning of a serialized gerank.v1.FeatureBlock.
struct NameList {
  struct Place {
    std::size_t first, size;
  };

  std::string bytes;          // as they were serialized; empty: no list
  std::vector<Place> places;  // of the names in `bytes`
  std::uint64_t id = 0;       // see FeatureBlock::names_id
};

// Used by one thread at a time.
class NameMemo {
 public:
  // The kept list that `block` begins with, if any; no more names follow it. Valid until keep().
  const NameList* find(std::string_view block) const;

  // Keeps the names that `block`, which is known to be a FeatureBlock, begins with. They replace
  // the list that was kept first.
  void keep(std::string_view block);

 private:
  static constexpr std::size_t kKept = 8;
  static constexpr std::size_t kLongest = 64 << 10;  // bytes of a list that is worth keeping

  std::array<NameList, kKept> lists_;
  std::size_t next_ = 0;
};

}  // namespace gerank::wire
