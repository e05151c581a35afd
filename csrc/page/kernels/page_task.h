// What the page kernel works on.
#pragma once

#include "../page_model.h"

namespace gerank::cpu {

struct PageTask {
  const page::PageModel& model;
  const PaddedBatch& batch;
  const PaddedAnswer& answer;
};

}  // namespace gerank::cpu
