#include "golden.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace gerank {
namespace {

constexpr double kTolerance = 1e-5;

std::string list(const std::int64_t* values, std::int64_t count) {
  std::string out = "[";
  for (std::int64_t i = 0; i < count; ++i) out += (i > 0 ? ", " : "") + std::to_string(values[i]);
  return out + "]";
}

std::string differing(std::int64_t row, const char* name, const std::int64_t* want,
                      const std::int64_t* got, std::int64_t count) {
  if (std::equal(want, want + count, got)) return "";
  return "golden request " + std::to_string(row) + ": " + name + " are " + list(got, count) +
         ", not " + list(want, count);
}

std::string off(std::int64_t row, const float* want, const float* got, std::int64_t count) {
  double largest = 0, error = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    largest = std::max(largest, std::abs(static_cast<double>(want[n])));
    const double here = std::abs(static_cast<double>(want[n]) - static_cast<double>(got[n]));
    if (!(here <= error)) error = here;  // keeps a NaN: nothing is larger
    if (std::isnan(error)) break;
  }
  if (error <= kTolerance * std::max(1.0, largest)) return "";
  char text[64];
  std::snprintf(text, sizeof text, "golden request %lld: log_prob is off by %.2g",
                static_cast<long long>(row), error);
  return text;
}

}  // namespace

std::string difference(const PaddedBatch& batch, const PaddedAnswer& expected,
                       const PaddedAnswer& actual) {
  for (std::int64_t b = 0; b < batch.B; ++b) {
    const std::int64_t at = b * batch.N;
    std::string words = differing(b, "slates", expected.slates + at, actual.slates + at, batch.N);
    if (words.empty()) {
      words = differing(b, "relaxed", expected.relaxed + at, actual.relaxed + at, batch.N);
    }
    if (words.empty()) words = off(b, expected.log_prob + at, actual.log_prob + at, batch.N);
    if (!words.empty()) return words;
  }
  return "";
}

}  // namespace gerank
