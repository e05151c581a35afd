// How a launch shares out requests, threads and shared memory. Plain numbers: a plan is made on the
// host, where a test may make another one, and never changes an answer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../decode/host_device.h"

namespace gerank::cuda {

struct DecoderSizes {
  int batch;            // B
  int num_candidates;   // M
  int num_slots;        // N
  int width;            // D
  int attention_width;  // H
  int num_flags;        // Q
  int num_groups;       // K
  int num_slates;       // G

  GERANK_HOST_DEVICE int num_features() const { return num_flags + 2 * num_groups; }  // C
  GERANK_HOST_DEVICE int state_columns() const { return 3 * width + attention_width; }
  // Numbers in front of w_e_t in the packed weights: what every slot reads.
  GERANK_HOST_DEVICE int loop_weights() const {
    return width + width * 3 * width + width * state_columns() + 6 * width;
  }
  // Rows of vectors [D] that products read lie apart such that each is aligned to 16 bytes.
  GERANK_HOST_DEVICE int row_stride() const { return (width + 3) / 4 * 4; }
  // Rows of keys lie apart such that neighbouring rows start in other banks of shared memory.
  GERANK_HOST_DEVICE int key_stride() const { return (attention_width + 31) / 32 * 32 + 8; }
  GERANK_HOST_DEVICE int64_t key_rows() const {
    return static_cast<int64_t>(num_candidates) * key_stride();
  }
};

// These are the limits of the device that a plan is for.
struct DeviceLimits {
  int multiprocessors;
  size_t shared_bytes;  // that one block may have
};

// An item is one request and up to `slates_per_item` of its slates. A block decodes `sequences`
// items side by side, so that they share every load of a weight.
struct DecoderPlan {
  int capacity;         // of a Sequence: 32, 128 or 512 candidates
  int sequences;        // 1 .. 8
  int blocks;           // each takes groups of items until none is left
  int threads;          // per block, a multiple of 32
  int slates_per_item;  // 1 .. G
  int max_rows;         // context classes per sequence that are scored in one pass
  bool resident;        // the loop's weights are copied to shared memory
  bool shared_keys;     // keys are in shared memory, otherwise in DecoderParams::keys
  size_t shared_bytes;

  GERANK_HOST_DEVICE int chunks(const DecoderSizes& sizes) const {  // items per request
    return (sizes.num_slates + slates_per_item - 1) / slates_per_item;
  }
  GERANK_HOST_DEVICE int items(const DecoderSizes& sizes) const {
    return sizes.batch * chunks(sizes);
  }
  // Numbers in the scratch for keys.
  int64_t key_numbers(const DecoderSizes& sizes) const {
    return shared_keys ? 0 : static_cast<int64_t>(blocks) * sequences * sizes.key_rows();
  }
};

// One request per block; `groups` teams of threads share out its candidates.
struct GradientPlan {
  int capacity;
  int blocks;
  int threads;
  int groups;    // each `threads / groups` wide: a thread owns the columns of H that it visits
  int max_rows;  // context classes that are scored in one pass
  size_t shared_bytes;

  int64_t key_numbers(const DecoderSizes& sizes) const { return blocks * sizes.key_rows(); }
};

// Both return a plan with 0 sequences or groups if the device has too little shared memory.
DecoderPlan plan_decoder(const DecoderSizes& sizes, const DeviceLimits& limits,
                         size_t scalar_bytes);
GradientPlan plan_gradient(const DecoderSizes& sizes, const DeviceLimits& limits,
                           size_t scalar_bytes);

// Dynamic shared memory of a block that follows the plan.
size_t decoder_bytes(const DecoderSizes& sizes, const DecoderPlan& plan, size_t scalar_bytes);
size_t gradient_bytes(const DecoderSizes& sizes, const GradientPlan& plan, size_t scalar_bytes);

}  // namespace gerank::cuda
