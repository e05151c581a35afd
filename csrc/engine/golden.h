// Golden requests: drawn when an artifact was written, answered again whenever it is loaded.
#pragma once

#include <gerank/model.h>

#include <string>

namespace gerank {

// What differs first between two answers to `batch`, in words; empty where they agree to 1e-5.
std::string difference(const PaddedBatch& batch, const PaddedAnswer& expected,
                       const PaddedAnswer& actual);

}  // namespace gerank
