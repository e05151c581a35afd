#include "scripted_generator.h"

#include <ATen/Parallel.h>
#include <gerank/ops.h>
#include <torch/script.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "../engine/batching/pass_threads.h"
#include "../engine/batching/process.h"
#include "batch_tensors.h"
#include "device_generator.h"
#include "first_line.h"
#include "packed_records.h"
#include "torch_state.h"

namespace gerank {
namespace {

// A thread's batches lie in one place, and often have one shape: then their tensors serve again,
// unless a model has resized one or set it to other memory.
class Arguments {
 public:
  const std::vector<c10::IValue>& of(const PaddedBatch& batch) {
    if (tensors_.empty() || !(batch == last_) || !as_made()) make(batch);
    return tensors_;
  }

 private:
  void make(const PaddedBatch& batch) {
    const std::vector<at::Tensor> views = batch_tensors(batch);
    tensors_.assign(views.begin(), views.end());
    last_ = batch;
    made_.clear();
    for (const c10::IValue& each : tensors_) {
      const at::Tensor& tensor = each.toTensor();
      made_.push_back({tensor.const_data_ptr(), tensor.sizes().vec(), tensor.strides().vec()});
    }
  }

  bool as_made() const {
    for (std::size_t i = 0; i < made_.size(); ++i) {
      const at::Tensor& tensor = tensors_[i].toTensor();
      if (tensor.const_data_ptr() != made_[i].values || tensor.sizes() != made_[i].sizes ||
          tensor.strides() != made_[i].strides) {
        return false;
      }
    }
    return true;
  }

  struct Made {
    const void* values;
    std::vector<std::int64_t> sizes, strides;
  };

  PaddedBatch last_;
  std::vector<c10::IValue> tensors_;
  std::vector<Made> made_;
};

template <typename T>
void copy_out(const at::Tensor& tensor, const PaddedBatch& batch, T* out) {
  check_answer(tensor, batch, c10::CppTypeToScalarType<T>::value);
  const at::Tensor contiguous = tensor.resolve_neg().contiguous();
  std::copy_n(contiguous.const_data_ptr<T>(), contiguous.numel(), out);
}

// While it lives, torch uses this thread alone, if its pool did not survive a fork.
class WithoutLostPools {
 public:
  WithoutLostPools() {
    if (has_lost_its_pools()) at::set_num_threads(1);
  }
  ~WithoutLostPools() {
    if (has_lost_its_pools()) at::set_num_threads(before_);
  }
  WithoutLostPools(const WithoutLostPools&) = delete;
  WithoutLostPools& operator=(const WithoutLostPools&) = delete;

 private:
  const int before_ = has_lost_its_pools() ? at::get_num_threads() : 0;
};

// Tells torch how many threads this thread's passes may use, where the engine has said so.
void take_over_pass_threads() {
  thread_local int told = 0;
  const int wanted = pass_threads();
  if (wanted == 0 || wanted == told) return;
  set_intra_op_threads_here(wanted);
  told = wanted;
}

class ScriptedGenerator : public Model {
 public:
  explicit ScriptedGenerator(torch::jit::Module module)
      : module_(std::move(module)), forward_(module_.get_method("forward")) {}

  Status run(const PaddedBatch& batch, const PaddedAnswer& answer) const override try {
    take_over_pass_threads();
    const WithoutLostPools one_thread;
    const OwnTorchState state;
    // The profiling executor would spend the first calls of every thread on recompiling, for no
    // gain: the model's time is that of its fused op and of matrix products. See Note [Frozen and
    // read back].
    const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
    thread_local Arguments arguments;
    const c10::IValue slates = forward_(arguments.of(batch));
    const auto& fields = slates.toTupleRef().elements();  // slates, log_prob, relaxed
    TORCH_CHECK(fields.size() == 3, "the generator must answer three tensors, got ", fields.size());
    copy_out(fields[0].toTensor(), batch, answer.slates);
    copy_out(fields[1].toTensor(), batch, answer.log_prob);
    copy_out(fields[2].toTensor(), batch, answer.relaxed);
    return {};
  } catch (const std::exception& error) {
    return Status(Code::kInternal, last_line(error));
  }

 private:
  torch::jit::Module module_;
  mutable torch::jit::Method forward_;
};

// Note [Frozen and read back]: without the profiling executor, an exception in a frozen module ends
// the process: the interpreter reads a call stack that freezing has left invalid. What is saved and
// loaded again has none, and answers the same.
torch::jit::Module frozen(const torch::jit::Module& module, const c10::Device& device) {
  std::stringstream copy(std::ios::in | std::ios::out | std::ios::binary);
  torch::jit::freeze(module).save(copy);
  return torch::jit::load(copy, device);
}

std::unique_ptr<const Model> generator(const ArtifactFile& file, std::string_view page,
                                       const c10::Device& device) {
  if (!device.is_cpu() && !page.empty()) return device_generator(file, page, device);
  torch::jit::Module module = torch::jit::load(torch_file(file), at::kCPU);
  module.eval();
  if (!device.is_cpu()) return device_generator(frozen(module, device), device);
  return std::make_unique<ScriptedGenerator>(frozen(module, device));
}

}  // namespace

Status load_generator(const ArtifactFile& file, std::string_view page, Device wanted,
                      std::unique_ptr<const Model>* model) try {
  this_process();  // a fork is noted from now on
  const c10::Device device = wanted == Device::kCuda ? c10::Device(at::kCUDA, 0) : at::kCPU;
  if (const std::string rule = device_rule(device); !rule.empty()) {
    return Status::invalid("device", "'cuda'", rule);
  }
  const OwnTorchState state;
  *model = generator(file, page, device);
  return {};
} catch (const std::exception& error) {
  return Status(Code::kFailedPrecondition, "torch refuses it: " + first_line(error));
}

}  // namespace gerank
