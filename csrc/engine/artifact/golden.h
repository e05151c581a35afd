// Golden requests: drawn when an artifact was written, answered again whenever it is loaded.
#pragma once

#include <gerank/contract.h>
#include <gerank/model.h>

#include <string>

#include "golden_tensors.h"

namespace gerank {

// What differs first between the answers in `golden` and those of `model`, and how many requests
// do, in words; empty where they agree to 1e-5. Throws Refusal if `golden` lacks a tensor of a
// batch or of its answer.
std::string golden_difference(const GoldenTensors& golden, const Contract& contract,
                              const Model& model);

}  // namespace gerank
