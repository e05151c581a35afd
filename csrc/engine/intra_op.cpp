#include "intra_op.h"

#include <ATen/Parallel.h>

namespace gerank {

void set_intra_op_threads(int threads) { at::set_num_threads(threads); }

}  // namespace gerank
