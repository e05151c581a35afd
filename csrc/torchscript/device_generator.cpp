#include "device_generator.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/StreamGuard.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <array>
#include <cstdint>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "../ops/composite/layered_page.h"
#include "../page/page_model.h"
#include "device_transfer.h"
#include "first_line.h"
#include "torch_state.h"

namespace gerank {
namespace {

using Answer = std::array<at::Tensor, 3>;  // slates, log_prob, relaxed

// One batch after another on each transfer: as many batches are under way as threads call.
class DeviceGenerator : public Model {
 public:
  explicit DeviceGenerator(c10::Device device) : device_(device) {}

  Status run(const PaddedBatch& batch, const PaddedAnswer& answer) const override try {
    if (const std::string words = refusal(batch); !words.empty()) {
      return Status(Code::kInternal, words);
    }
    const OwnTorchState state;
    // A transfer that meets an exception is not used again: its copies may still be under way.
    std::unique_ptr<DeviceTransfer> transfer = take();
    const c10::StreamGuard current(transfer->stream());
    transfer->receive(answer_of(transfer->send(batch)), batch, answer);
    give_back(std::move(transfer));
    return {};
  } catch (const std::exception& error) {
    return Status(Code::kInternal, last_line(error));
  }

 protected:
  // Why a batch cannot be answered, found on the host; empty if it can.
  virtual std::string refusal(const PaddedBatch& batch) const = 0;

  // Answers arguments that lie on the device; waits for nothing.
  virtual Answer answer_of(const std::vector<at::Tensor>& arguments) const = 0;

 private:
  std::unique_ptr<DeviceTransfer> take() const {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto transfer = std::move(idle_.back());
        idle_.pop_back();
        return transfer;
      }
    }
    return std::make_unique<DeviceTransfer>(device_);
  }

  void give_back(std::unique_ptr<DeviceTransfer> transfer) const {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(transfer));
  }

  const c10::Device device_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<DeviceTransfer>> idle_;  // guarded by mutex_
};

class ScriptedOnDevice : public DeviceGenerator {
 public:
  ScriptedOnDevice(torch::jit::Module module, c10::Device device)
      : DeviceGenerator(device),
        module_(std::move(module)),
        forward_(module_.get_method("forward")) {}

 protected:
  std::string refusal(const PaddedBatch&) const override { return ""; }

  Answer answer_of(const std::vector<at::Tensor>& arguments) const override {
    // As on the CPU: see scripted_generator.cpp.
    const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
    const c10::IValue slates =
        forward_(std::vector<c10::IValue>(arguments.begin(), arguments.end()));
    const auto& fields = slates.toTupleRef().elements();
    TORCH_CHECK(fields.size() == 3, "the generator must answer three tensors, got ", fields.size());
    return {fields[0].toTensor(), fields[1].toTensor(), fields[2].toTensor()};
  }

 private:
  torch::jit::Module module_;
  mutable torch::jit::Method forward_;
};

class PageOnDevice : public DeviceGenerator {
 public:
  PageOnDevice(ArtifactFile file, const at::Tensor& block, page::PageModel page, c10::Device device)
      : DeviceGenerator(device),
        file_(std::move(file)),
        page_(page),
        block_(block.to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true)),
        layers_(block_) {}

 protected:
  // A kernel on a device cannot say what is wrong, and an id without a row would end the process.
  std::string refusal(const PaddedBatch& batch) const override {
    const std::string words = page::PageModel::bad_rules(batch);
    return words.empty() ? page_.unknown_id(batch) : words;
  }

  Answer answer_of(const std::vector<at::Tensor>& given) const override {
    auto [slates, log_prob, relaxed] =
        layers_.rank({block_, given[0], given[1], given[2], given[3], given[4], given[5], given[6],
                      given[7], given[8], given[9], given[10], given[11], given[12], given[13]});
    return {slates, log_prob, relaxed};
  }

 private:
  const ArtifactFile file_;  // that page_ looks into
  const page::PageModel page_;
  const at::Tensor block_;  // the same on the device
  const LayeredPage layers_;
};

}  // namespace

std::string device_rule(const c10::Device& device) {
  if (device.is_cpu()) return "";
  if (!at::hasCUDA()) return "must be cpu where torch sees no CUDA device";
  const auto op = c10::Dispatcher::singleton().findSchema({"gerank::decode_slates", ""});
  if (!op || !op->hasKernelForDispatchKey(c10::DispatchKey::CUDA)) {
    return "must be cpu where libgerank was built without its CUDA kernels";
  }
  return "";
}

std::unique_ptr<const Model> device_generator(const torch::jit::Module& module,
                                              const c10::Device& device) {
  return std::make_unique<ScriptedOnDevice>(module, device);
}

std::unique_ptr<const Model> device_generator(ArtifactFile file, std::string_view page,
                                              const c10::Device& device) {
  const auto count = static_cast<std::int64_t>(page.size() / sizeof(float));
  const at::Tensor block =
      at::from_blob(const_cast<char*>(page.data()), {count}, at::TensorOptions(at::kFloat));
  page::PageModel model;
  const std::string wrong = model.look_at(page.data(), static_cast<std::int64_t>(page.size()));
  TORCH_CHECK(wrong.empty(), "its page model ", wrong);
  return std::make_unique<PageOnDevice>(std::move(file), block, model, device);
}

}  // namespace gerank
