// Which of the CPU kernels this machine, and whoever set GERANK_CPU, wants.
#pragma once

#include <type_traits>

#include "kernels/kernels.h"

namespace gerank::cpu {

// The float32 kernels of the best instruction set this machine has. GERANK_CPU=avx512, avx2 or
// plain, set before the first op runs, forces one; throws std::runtime_error if that is not here.
const Kernels<float>& float_kernels();

// float64 has the plain kernels only.
template <typename scalar_t>
const Kernels<scalar_t>& kernels() {
  if constexpr (std::is_same_v<scalar_t, float>) {
    return float_kernels();
  } else {
    return kPlainDoubleKernels;
  }
}

}  // namespace gerank::cpu
