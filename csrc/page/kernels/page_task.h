// What the page kernel works on.
#pragma once

#include "../bfloat16_weights.h"
#include "../page_model.h"

namespace gerank::cpu {

struct PageTask {
  const page::PageModel& model;
  const PaddedBatch& batch;
  const PaddedAnswer& answer;
  const page::Bfloat16Weights* rounded = nullptr;  // nullptr: the numbers of the model count

  // The packed words of a section; nullptr where its numbers count.
  GERANK_HOST_DEVICE const uint32_t* pairs(page::Section which) const {
    return rounded == nullptr ? nullptr : rounded->section(which);
  }
};

}  // namespace gerank::cpu
