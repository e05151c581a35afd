#include "nearest_name.h"

#include <algorithm>
#include <cstddef>

namespace gerank {
namespace {

constexpr double kCutoff = 0.6;
// Names beyond this are no typing errors of ours, and the comparison costs the product of lengths.
constexpr std::size_t kLongestName = 200;

struct Block {
  std::size_t a = 0, b = 0, size = 0;
};

// The longest common substring; among equals the earliest in a, then in b.
Block longest_match(std::string_view a, std::string_view b) {
  Block best;
  std::vector<std::size_t> previous(b.size() + 1), current(b.size() + 1);
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      current[j + 1] = a[i] == b[j] ? previous[j] + 1 : 0;
      if (const std::size_t size = current[j + 1]; size > best.size) {
        best = {i + 1 - size, j + 1 - size, size};
      }
    }
    std::swap(previous, current);
  }
  return best;
}

std::size_t matching_characters(std::string_view a, std::string_view b) {
  const Block match = longest_match(a, b);
  if (match.size == 0) return 0;
  return match.size + matching_characters(a.substr(0, match.a), b.substr(0, match.b)) +
         matching_characters(a.substr(match.a + match.size), b.substr(match.b + match.size));
}

}  // namespace

double similarity(std::string_view a, std::string_view b) {
  if (a.empty() && b.empty()) return 1;
  return 2.0 * static_cast<double>(matching_characters(a, b)) /
         static_cast<double>(a.size() + b.size());
}

std::optional<std::string_view> nearest_name(std::string_view name,
                                             const std::vector<std::string_view>& known) {
  if (name.size() > kLongestName) return std::nullopt;
  std::optional<std::string_view> nearest;
  double best = kCutoff;
  for (const std::string_view candidate : known) {
    // difflib compares the candidate with the name, in this order, and keeps the largest pair.
    const double score = similarity(candidate, name);
    if (score > best || (score == best && (!nearest || candidate > *nearest))) {
      best = score;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace gerank
