#include "kernel_table.h"
#include "simd_plain.h"

namespace gerank::cpu {

const Kernels<float> kPlainKernels = kernel_table<Plain<float>>();
const Kernels<double> kPlainDoubleKernels = kernel_table<Plain<double>>();

}  // namespace gerank::cpu
