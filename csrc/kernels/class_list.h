// The context classes among a slot's candidates (see context_class in decode/local_context.h): what
// the backward sums over before it multiplies.
#pragma once

#include <cstdint>

#include "../decode/local_context.h"

namespace gerank::cpu {
namespace {

class ClassList {
 public:
  // Lists the distinct `bits_of(candidate)` of `candidates` [count], and keeps where in the list
  // each candidate's stands.
  template <typename BitsOf>
  void fill(const int16_t* candidates, int count, BitsOf bits_of) {
    const int entries = table_size(count);
    for (int i = 0; i < entries; ++i) table_.entry[i] = -1;
    size_ = 0;
    for (int i = 0; i < count; ++i) class_of_[i] = find(bits_of(candidates[i]), entries);
  }

  int size() const { return size_; }
  const uint32_t* bits() const { return bits_; }  // [size]
  int class_of(int position) const { return class_of_[position]; }

 private:
  int16_t find(uint32_t bits, int entries) {
    uint32_t at = hash_bits(bits) & (entries - 1);
    for (; table_.entry[at] >= 0; at = (at + 1) & (entries - 1)) {
      if (bits_[table_.entry[at]] == bits) return table_.entry[at];
    }
    bits_[size_] = bits;
    table_.entry[at] = static_cast<int16_t>(size_);
    return static_cast<int16_t>(size_++);
  }

  int size_;
  uint32_t bits_[kMaxCandidates];
  int16_t class_of_[kMaxCandidates];
  LeaderTable table_;  // open addressing, by bits_
};

}  // namespace
}  // namespace gerank::cpu
