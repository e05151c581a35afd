// One artifact, loaded and checked, that answers batches of queries on the calling thread.
#pragma once

#include <gerank/contract.h>
#include <gerank/export.h>
#include <gerank/model.h>
#include <gerank/query.h>
#include <gerank/status.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace gerank {

// What computes the slates of an artifact.
enum class Implementation {
  // The native one where the artifact is a stock generator and the device the CPU, else
  // TorchScript.
  kAutomatic,
  // The whole page in one pass over the artifact's weights, without torch.
  kNative,
  // The scripted module: also for encoders of one's own. It needs libgerank_torchscript and torch,
  // which are loaded when the first artifact asks for them.
  kTorchScript
};

// The numbers that the matrices of a model are multiplied in; sums are float32 always.
enum class Precision {
  // What the artifact asks for; float32 where it asks for nothing.
  kAutomatic,
  kFloat32,
  // It runs natively on processors with AVX512_BF16. Elsewhere, and with TorchScript, an artifact
  // answers in float32 all the same: see Ranker::precision.
  kBfloat16
};

// Where the numbers of a model lie, and its work is done.
enum class Device {
  kCpu,
  // The first GPU that the process sees, by torch: never natively. It needs a torch with CUDA and a
  // libgerank with its CUDA kernels. Answers are those of the CPU, but for near ties.
  kCuda
};

// How an artifact is loaded.
struct ModelOptions {
  Implementation implementation = Implementation::kAutomatic;
  Precision precision = Precision::kAutomatic;
  Device device = Device::kCpu;

  // kInvalidArgument for what cannot be: TorchScript in bfloat16, and a GPU natively or in
  // bfloat16.
  GERANK_EXPORT Status check() const;
};

// Immutable: every method is const and thread-safe. Owned by shared_ptr; an Engine shares in it for
// as long as it hosts it.
class GERANK_EXPORT Ranker {
 public:
  // Loads an artifact (`gerank export` writes one) and runs its golden requests. Takes some
  // milliseconds, and 0.1 to 1 s where torch must be loaded.
  //
  // kFailedPrecondition, with a message that begins with the path, if the file is missing,
  // truncated, altered or foreign, has another format version, calls ops that this library lacks,
  // lacks the implementation that is asked for, or answers its golden requests differently; these
  // are answered in float32. kInvalidArgument where ModelOptions::check says so. *ranker is set
  // only if OK.
  static Status load(const std::string& path, std::shared_ptr<const Ranker>* ranker,
                     const ModelOptions& options = {}) noexcept;

  // A ranker over a model that is no artifact. `contract_json` as Contract::parse reads it.
  static Status make(const std::string& contract_json, std::string model_version,
                     std::unique_ptr<const Model> model,
                     std::shared_ptr<const Ranker>* ranker) noexcept;

  ~Ranker();
  Ranker(const Ranker&) = delete;
  Ranker& operator=(const Ranker&) = delete;

  // What queries must satisfy.
  const Contract& contract() const noexcept;

  // The same as JSON: what DescribeResponse.contract_json holds.
  const std::string& contract_json() const noexcept;

  // Names the model in every answer.
  const std::string& model_version() const noexcept;

  // What computes its slates: "native", "torchscript", or "custom" where this ranker was made over
  // a model.
  std::string_view implementation() const noexcept;

  // Where it does: "cpu", "cuda", or "custom" as above.
  std::string_view device() const noexcept;

  // The precision that runs, "float32" or "bfloat16"; "custom" as above.
  std::string_view precision() const noexcept;

  // The one that the options or else the artifact asked for. It differs from precision() where
  // this processor lacks AVX512_BF16, where GERANK_CPU forces an instruction set, and where the
  // implementation is TorchScript.
  std::string_view wanted_precision() const noexcept;

  // The artifact's gerank.json, as it lies in the file; empty if this ranker was made over a model.
  const std::string& manifest_json() const noexcept;

  // Contract::check of one query.
  Status check(const Query& query, UnknownFeatures unknown = UnknownFeatures::kRefuse,
               std::size_t* ignored = nullptr) const noexcept;

  // Checks and answers a batch, all of it or nothing: queries[i] gets slates[i], which is resized
  // as needed. One forward pass on this thread, whatever the size; no queries are no error.
  //
  // kInvalidArgument names the query: `queries[3].slots`. kInternal: the model failed.
  Status rank(std::span<const Query> queries, std::span<Slate> slates) const noexcept;

  // Answers a batch that is padded already, as Model::run does. Rules and ids are checked where the
  // implementation is native; that values are within the contract is the caller's business.
  // kInvalidArgument if a width is not the contract's.
  Status run(const PaddedBatch& batch, const PaddedAnswer& answer) const noexcept;

  // Answers requests and holds the slates against those that came with them; both are one batch of
  // named arrays, as gerank/export/golden.py writes it. kFailedPrecondition tells what differs
  // first, a slate, a relaxed rule, or a log_prob by more than 1e-5, and in how many requests.
  Status compare(std::string_view golden) const noexcept;

  // Runs batches of 1, 2, 4, ... and `max_batch` queries on this thread, which are answered as any
  // are: the first calls of a TorchScript model on a thread are slow. An Engine does it by itself.
  Status warm_up(std::size_t max_batch) const noexcept;

 private:
  friend class Engine;
  struct Parts;
  explicit Ranker(std::unique_ptr<Parts> parts) noexcept;

  std::unique_ptr<const Parts> parts_;
};

}  // namespace gerank
