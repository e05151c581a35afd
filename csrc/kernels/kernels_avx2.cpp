#include "kernel_table.h"
#include "simd_avx2.h"

namespace gerank::cpu {

const Kernels<float> kAvx2Kernels = kernel_table<Avx2>();

}  // namespace gerank::cpu
