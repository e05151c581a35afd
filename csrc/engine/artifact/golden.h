// Golden requests: drawn when an artifact was written, answered again whenever it is loaded.
#pragma once

#include <gerank/contract.h>
#include <gerank/model.h>

#include <string>

namespace gerank {

// What differs first between the answers in `golden`, a pickled dict of tensors, and those of
// `model`, in words; empty where they agree to 1e-5. Throws Refusal if `golden` is malformed.
std::string golden_difference(const std::string& golden, const Contract& contract,
                              const Model& model);

}  // namespace gerank
