// Whether the values of a request can be decoded, which their shapes do not tell.
#pragma once

#include <cmath>
#include <cstdint>
#include <locale>
#include <sstream>
#include <string>

#include "tasks.h"

namespace gerank::cpu {

template <typename... Parts>
std::string sentence(const Parts&... parts) {
  std::ostringstream text;
  text.imbue(std::locale::classic());  // the host's may group digits
  (text << ... << parts);
  return text.str();
}

// Two pins on one candidate, or on one dedup key, cannot both be served.
inline std::string bad_pin_pair(const RequestView& request, int64_t b, int slot) {
  const int64_t pin = request.pins[slot];
  const int64_t key = request.dedup_keys[pin];
  for (int other = 0; other < slot; ++other) {
    const int64_t pinned = request.pins[other];
    if (pinned < 0) continue;
    if (pinned == pin) {
      return sentence("pins must name a candidate once, got candidate ", pin, " at slots ", other,
                      " and ", slot, " of request ", b);
    }
    if (key != -1 && request.dedup_keys[pinned] == key) {
      return sentence("pins must name a dedup key once, got key ", key, " at slots ", other,
                      " and ", slot, " of request ", b);
    }
  }
  return "";
}

inline std::string bad_pins(const RequestView& request, int64_t b) {
  for (int slot = 0; slot < request.num_slots; ++slot) {
    const int64_t pin = request.pins[slot];
    if (pin == -1) continue;
    if (pin < 0 || pin >= request.num_candidates) {
      return sentence("pins must be -1 or a candidate below ", request.num_candidates, ", got ",
                      pin, " at slot ", slot, " of request ", b);
    }
    if (slot >= request.slots) {
      return sentence("pins must lie in the ", request.slots, " slots asked for, got candidate ",
                      pin, " at slot ", slot, " of request ", b);
    }
    if (std::string words = bad_pin_pair(request, b, slot); !words.empty()) return words;
  }
  return "";
}

// Empty if all is well, else a sentence that names the argument, its value and the request.
template <typename scalar_t>
std::string bad_values(const DecoderView<scalar_t>& inputs) {
  for (int64_t b = 0; b < inputs.batch; ++b) {
    const int64_t slots = inputs.slots[b];
    if (slots < 0 || slots > inputs.num_slots) {
      return sentence("slots must be between 0 and ", inputs.num_slots, ", got ", slots,
                      " for request ", b);
    }
    const scalar_t temperature = inputs.temperature[b];
    if (!(temperature > 0 && std::isfinite(temperature))) {
      return sentence("temperature must be positive and finite, got ", temperature, " for request ",
                      b);
    }
    if (std::string words = bad_pins(inputs.request(b), b); !words.empty()) return words;
  }
  return "";
}

}  // namespace gerank::cpu
