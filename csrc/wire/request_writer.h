// From queries of the engine, which came in another protocol, to the bytes of a RerankRequest.
#pragma once

#include <gerank/engine.h>

#include <span>
#include <string>
#include <string_view>

namespace gerank::wire {

// The request that asks what `call` does, whose queries have those ids. Features that came as
// float64 become the float32 that the model got.
std::string write_request(std::span<const std::string_view> ids, const Call& call);

}  // namespace gerank::wire
