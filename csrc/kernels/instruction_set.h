// Which of the CPU kernels this machine, and whoever set GERANK_CPU, wants.
#pragma once

#include <gerank/export.h>

#include <string>
#include <type_traits>

#include "kernels.h"

namespace gerank::cpu {

// The float32 kernels of the best instruction set this machine has. GERANK_CPU=avx512, avx2 or
// plain, set before the first op runs, forces one; throws std::runtime_error if that is not here.
GERANK_EXPORT const Kernels<float>& float_kernels();

// The kernels that multiply bfloat16; nullptr where this processor lacks AVX512_BF16, or where
// GERANK_CPU forces an instruction set, none of which has it.
const Bfloat16Kernels* bfloat16_kernels();

// The float64 kernels, which are plain on every machine.
GERANK_EXPORT const Kernels<double>& double_kernels();

// Why no kernel can run in this process: GERANK_CPU names no instruction set, or one that this
// processor lacks. Empty if all is well. Thread-safe.
GERANK_EXPORT std::string instruction_set_error();

template <typename scalar_t>
const Kernels<scalar_t>& kernels() {
  if constexpr (std::is_same_v<scalar_t, float>) {
    return float_kernels();
  } else {
    return double_kernels();
  }
}

}  // namespace gerank::cpu
