// From the engine's slates to the bytes of a ModelInferResponse.
#pragma once

#include <gerank/engine.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "tensor_list.h"

namespace gerank::server::inference {

// What an answer repeats of its request.
struct Echo {
  std::string_view model, id;
  std::span<const Output> outputs;  // that are requested, in this order
  std::size_t slots = 0;            // N; more where a page has a pin beyond them
};

// The answer to a call that ended with OK.
std::string write_response(const Echo& echo, const Call& call);

}  // namespace gerank::server::inference
