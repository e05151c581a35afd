// From the engine's slates to the bytes of a RerankResponse.
#pragma once

#include <gerank/engine.h>

#include <span>
#include <string>
#include <string_view>

namespace gerank::wire {

// The answer to the queries of those ids, which `call` ranked.
std::string write_response(std::span<const std::string_view> ids, const Call& call);

}  // namespace gerank::wire
