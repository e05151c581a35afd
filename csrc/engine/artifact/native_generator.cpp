#include "native_generator.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "../../page/bfloat16_weights.h"
#include "../../page/page_model.h"
#include "../batching/padded_buffers.h"
#include "../batching/pass_threads.h"
#include "../batching/process.h"
#include "refusal.h"

namespace gerank {
namespace {

// A block of requests is the work of one thread.
class NativeGenerator : public Model {
 public:
  NativeGenerator(ArtifactFile file, page::PageModel page, Precision precision)
      : file_(std::move(file)), page_(page) {
    if (precision == Precision::kBfloat16) {
      rounded_ = std::make_unique<page::Bfloat16Weights>(page_);
    }
  }

  Status run(const PaddedBatch& batch, const PaddedAnswer& answer) const override try {
    for (const std::string& words : {page::PageModel::bad_rules(batch), page_.unknown_id(batch)}) {
      if (!words.empty()) return Status(Code::kInternal, words);
    }
    // In a process that a fork made, the threads of a pool are missing.
    const int threads = has_lost_its_pools() ? 1 : std::max(1, pass_threads());
    const std::int64_t size = page_.block_size(batch, threads);
    const std::int64_t blocks = (batch.B + size - 1) / size;
    if (threads == 1 || blocks == 1) {
      run_block(batch, answer, 0, batch.B, size);
      return {};
    }
    share_out(blocks, threads, [&](std::int64_t block) {
      run_block(batch, answer, block * size, std::min((block + 1) * size, batch.B), size);
    });
    return {};
  } catch (const std::bad_alloc&) {
    return Status(Code::kInternal, "the model has no memory for a batch of " +
                                       std::to_string(batch.B) + " queries of up to " +
                                       std::to_string(batch.M) + " candidates");
  } catch (const std::exception& error) {
    return Status(Code::kInternal, error.what());
  }

 private:
  void run_block(const PaddedBatch& batch, const PaddedAnswer& answer, std::int64_t first,
                 std::int64_t end, std::int64_t size) const {
    if (rounded_ == nullptr) {
      page_.run(batch, answer, first, end, size);
    } else {
      page_.run(batch, answer, first, end, size, *rounded_);
    }
  }

  const ArtifactFile file_;  // that page_ looks into
  const page::PageModel page_;
  std::unique_ptr<const page::Bfloat16Weights> rounded_;  // of page_; null: float32
};

void check_widths(const page::PageHeader& sizes, const Contract& contract) {
  PaddedBatch batch;
  set_widths(contract, &batch);
  const struct {
    const char* name;
    std::int64_t model, contract;
  } widths[] = {
      {"dense features of a user", sizes.user_dense, batch.user_dense_width},
      {"ids of a user", sizes.user_ids, batch.user_ids_width},
      {"dense features of a candidate", sizes.candidate_dense, batch.candidate_dense_width},
      {"ids of a candidate", sizes.candidate_ids, batch.candidate_ids_width},
      {"utilities", sizes.utilities, batch.utilities},
      {"group keys", sizes.groups, batch.groups},
      {"flags", sizes.flags, batch.flags},
  };
  for (const auto& [name, model, given] : widths) {
    if (model == given) continue;
    throw Refusal{"malformed artifact: its model has " + std::to_string(model) + " " + name +
                  ", its contract " + std::to_string(given)};
  }
}

}  // namespace

std::string_view aligned_page(std::string_view page, ArtifactFile* file) {
  if (reinterpret_cast<std::uintptr_t>(page.data()) % page::kAlignment == 0) return page;
  const auto copy = std::make_shared<FileBytes>(page.size());
  std::memcpy(copy->data(), page.data(), page.size());
  *file = copy;
  return copy->view();
}

page::PageModel check_page(std::string_view page, const Contract& contract) {
  page::PageModel model;
  const std::string wrong = model.look_at(page.data(), static_cast<std::int64_t>(page.size()));
  if (!wrong.empty()) throw Refusal{"malformed artifact: its page model " + wrong};
  check_widths(model.sizes(), contract);
  return model;
}

std::unique_ptr<const Model> native_generator(ArtifactFile file, std::string_view page,
                                              const Contract& contract, Precision precision) {
  page = aligned_page(page, &file);
  this_process();  // a fork is noted from now on
  const page::PageModel model = check_page(page, contract);
  return std::make_unique<NativeGenerator>(std::move(file), model, precision);
}

}  // namespace gerank
