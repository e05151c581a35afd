#include "kernel_table.h"
#include "simd_avx512bf16.h"

namespace gerank::cpu {
namespace {

void pack(const float* matrix, int64_t depth, int64_t columns, uint32_t* out) {
  using S = Avx512Bf16;
  for (int64_t k = 0; k < depth; k += 2, matrix += 2 * columns, out += columns) {
    const float* second = k + 1 < depth ? matrix + columns : nullptr;
    for_each_vector<S>(columns, [&](auto load, auto store) {
      store(out, S::pack(load(matrix), second == nullptr ? S::set(0) : load(second)));
    });
  }
}

}  // namespace

const Bfloat16Kernels kAvx512Bf16Kernels = {page_kernels<Avx512Bf16>(), &pack};

}  // namespace gerank::cpu
