#include "kernel_table.h"
#include "simd_avx512.h"

namespace gerank::cpu {

const Kernels<float> kAvx512Kernels = kernel_table<Avx512>();

}  // namespace gerank::cpu
