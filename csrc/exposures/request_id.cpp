#include "request_id.h"

#include <cstdint>
#include <cstdio>
#include <random>

namespace gerank::exposures {
namespace {

std::mt19937_64 seeded() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device(),
                     device(), device(), device(), device()};
  return std::mt19937_64(seed);
}

}  // namespace

std::string drawn_request_id() {
  thread_local std::mt19937_64 draw = seeded();
  char digits[33];
  std::snprintf(digits, sizeof digits, "%016llx%016llx", (unsigned long long)draw(),
                (unsigned long long)draw());
  return digits;
}

}  // namespace gerank::exposures
