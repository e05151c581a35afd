// What the scorers are told of a slot.
#pragma once

#include <cstdint>

#include "context_codes.h"

namespace gerank::cpu {
namespace {

// One slot of one request while its candidates are scored.
struct OpenSlot {
  const RequestView& request;
  const Attributes& attributes;
  const Prefix& prefix;
  const ContextCodes& codes;
  const int16_t* occupant;  // [slot] candidates of the slots before, -1: empty
  int slot;
  int64_t window;
};

}  // namespace
}  // namespace gerank::cpu
