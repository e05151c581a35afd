#include "scripted_generator.h"

#include <ATen/Parallel.h>
#include <gerank/ops.h>
#include <torch/script.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "../engine/batching/pass_threads.h"
#include "../engine/batching/process.h"
#include "first_line.h"
#include "packed_records.h"
#include "torch_state.h"

namespace gerank {
namespace {

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const std::size_t end = text.rfind('\n');
  return end == std::string::npos ? text : text.substr(end + 1);
}

template <typename T>
at::Tensor view(const T* values, at::ScalarType dtype, std::initializer_list<std::int64_t> shape) {
  // A model reads its arguments only.
  return at::from_blob(const_cast<T*>(values), shape, at::TensorOptions(dtype));
}

std::vector<c10::IValue> views(const PaddedBatch& batch) {
  const auto B = batch.B, M = batch.M, N = batch.N;
  return {view(batch.user_dense, at::kFloat, {B, batch.user_dense_width}),
          view(batch.user_ids, at::kLong, {B, batch.user_ids_width}),
          view(batch.candidate_dense, at::kFloat, {B, M, batch.candidate_dense_width}),
          view(batch.candidate_ids, at::kLong, {B, M, batch.candidate_ids_width}),
          view(batch.candidate_mask, at::kBool, {B, M}),
          view(batch.weights, at::kFloat, {B, batch.utilities}),
          view(batch.pins, at::kLong, {B, N}),
          view(batch.dedup_keys, at::kLong, {B, M}),
          view(batch.spacing, at::kLong, {B, batch.groups, 2}),
          view(batch.quotas, at::kLong, {B, batch.flags, 2}),
          view(batch.slots, at::kLong, {B}),
          view(batch.temperature, at::kFloat, {B}),
          view(batch.seeds, at::kLong, {B}),
          view(batch.greedy, at::kBool, {B})};
}

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
    tensors_ = views(batch);
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
  const auto expected = c10::CppTypeToScalarType<T>::value;
  TORCH_CHECK(
      tensor.sizes() == at::IntArrayRef({batch.B, batch.N}) && tensor.scalar_type() == expected,
      "the generator must answer [B, N] = [", batch.B, ", ", batch.N, "] ", expected, ", got ",
      tensor.sizes(), " ", tensor.scalar_type());
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
  } catch (const c10::Error& error) {
    return Status(Code::kInternal, last_line(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return Status(Code::kInternal, last_line(error.what()));
  }

 private:
  torch::jit::Module module_;
  mutable torch::jit::Method forward_;
};

// Note [Frozen and read back]: without the profiling executor, an exception in a frozen module ends
// the process: the interpreter reads a call stack that freezing has left invalid. What is saved and
// loaded again has none, and answers the same.
torch::jit::Module frozen(const torch::jit::Module& module) {
  std::stringstream copy(std::ios::in | std::ios::out | std::ios::binary);
  torch::jit::freeze(module).save(copy);
  return torch::jit::load(copy, at::kCPU);
}

}  // namespace

Status load_generator(const ArtifactFile& file, std::unique_ptr<const Model>* model) try {
  this_process();  // a fork is noted from now on
  const OwnTorchState state;
  torch::jit::Module module = torch::jit::load(torch_file(file), at::kCPU);
  module.eval();
  *model = std::make_unique<ScriptedGenerator>(frozen(module));
  return {};
} catch (const std::exception& error) {
  return Status(Code::kFailedPrecondition, "torch refuses it: " + first_line(error));
}

}  // namespace gerank
