#include "device_transfer.h"

#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/accumulate.h>

#include <cstdint>
#include <cstring>

#include "batch_tensors.h"

namespace gerank {
namespace {

// Each tensor begins at a multiple of this, in bytes: enough for every type, and for vector loads.
constexpr std::int64_t kAlignment = 64;

std::int64_t padded(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// A tensor of that type and shape in a block of bytes.
at::Tensor slice(const at::Tensor& block, std::int64_t at, at::ScalarType type,
                 at::IntArrayRef sizes) {
  const std::int64_t bytes =
      c10::multiply_integers(sizes) * static_cast<std::int64_t>(c10::elementSize(type));
  return block.narrow(0, at, bytes).view(type).view(sizes);
}

}  // namespace

DeviceTransfer::DeviceTransfer(c10::Device device)
    : device_(device), stream_(c10::impl::VirtualGuardImpl(device.type()).getNewStream(device)) {}

at::Tensor DeviceTransfer::on_host(std::int64_t bytes) const {
  return at::empty({bytes}, at::TensorOptions(at::kByte).pinned_memory(!device_.is_cpu()));
}

std::vector<at::Tensor> DeviceTransfer::send(const PaddedBatch& batch) {
  std::vector<at::Tensor> tensors = batch_tensors(batch);
  std::int64_t bytes = 0;
  for (const at::Tensor& tensor : tensors) {
    bytes += padded(static_cast<std::int64_t>(tensor.nbytes()));
  }
  if (!sent_.defined() || sent_.numel() < bytes) {
    sent_ = on_host(bytes);
    arguments_ = at::empty({bytes}, at::TensorOptions(at::kByte).device(device_));
  }
  auto* to = sent_.mutable_data_ptr<std::uint8_t>();
  std::int64_t at = 0;
  for (at::Tensor& tensor : tensors) {
    if (tensor.nbytes() > 0) std::memcpy(to + at, tensor.const_data_ptr(), tensor.nbytes());
    const std::int64_t next = at + padded(static_cast<std::int64_t>(tensor.nbytes()));
    tensor = slice(arguments_, at, tensor.scalar_type(), tensor.sizes());
    at = next;
  }
  arguments_.narrow(0, 0, bytes).copy_(sent_.narrow(0, 0, bytes), /*non_blocking=*/true);
  return tensors;
}

void DeviceTransfer::receive(const std::array<at::Tensor, 3>& answer, const PaddedBatch& batch,
                             const PaddedAnswer& out) {
  const std::array types = {at::kLong, at::kFloat, at::kLong};
  const std::array<void*, 3> to = {out.slates, out.log_prob, out.relaxed};
  const std::int64_t most = padded(batch.B * batch.N * 8);
  if (!received_.defined() || received_.numel() < 3 * most) received_ = on_host(3 * most);
  std::array<at::Tensor, 3> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check_answer(answer[i], batch, types[i]);
    parts[i] = slice(received_, static_cast<std::int64_t>(i) * most, types[i], answer[i].sizes());
    parts[i].copy_(answer[i], /*non_blocking=*/true);
  }
  stream_.synchronize();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].nbytes() > 0) std::memcpy(to[i], parts[i].const_data_ptr(), parts[i].nbytes());
  }
}

}  // namespace gerank
