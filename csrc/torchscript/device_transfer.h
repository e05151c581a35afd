// The way of a padded batch to a device, and of its answer back.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Stream.h>
#include <gerank/model.h>

#include <array>
#include <cstdint>
#include <vector>

namespace gerank {

// Memory of one batch at a time, page-locked on the host where the device can then copy by itself,
// and a stream out of torch's pool of them. It grows with the batches. For one thread at a time.
// While it sends and receives, its stream must be the current one.
class DeviceTransfer {
 public:
  // A device of any kind that this torch has, the CPU included.
  explicit DeviceTransfer(c10::Device device);

  c10::Stream stream() const { return stream_; }

  // The arguments of a generator on the device, copied as one block. Does not wait for the copy.
  // They are the next batch's when this is called again.
  std::vector<at::Tensor> send(const PaddedBatch& batch);

  // Brings slates, log_prob and relaxed rules back, and waits for all that the stream was given:
  // the one time per batch that the host does. Throws c10::Error where they are no answer.
  void receive(const std::array<at::Tensor, 3>& answer, const PaddedBatch& batch,
               const PaddedAnswer& out);

 private:
  at::Tensor on_host(std::int64_t bytes) const;

  const c10::Device device_;
  const c10::Stream stream_;
  at::Tensor sent_, arguments_;  // [bytes] uint8, on the host and on the device
  at::Tensor received_;          // [bytes] uint8, on the host
};

}  // namespace gerank
