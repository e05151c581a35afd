#include <gerank/ops.h>

namespace gerank {

void link_ops() noexcept {}

}  // namespace gerank
