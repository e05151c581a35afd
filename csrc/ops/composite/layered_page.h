// A packed generator as layers of torch's operators: rank_page for devices without a kernel of it.
#pragma once

#include <ATen/core/Tensor.h>
#include <gerank/export.h>

#include <cstdint>
#include <tuple>
#include <vector>

#include "../../page/page_format.h"
#include "../rank_page_checks.h"
#include "id_embeddings.h"

namespace gerank {

// Letters as in page/page_format.h. Its tensors are views of the block, on the block's device.
// Thread-safe.
class GERANK_EXPORT LayeredPage {
 public:
  // Reads what describes the block to the host, for which it waits for the device. Throws
  // c10::Error where the block [P] float32 is no page model.
  explicit LayeredPage(const at::Tensor& page);

  // Slates, log_prob and relaxed rules [B, N] of requests on the block's device, which nothing here
  // waits for. That ids have rows and rules can be decoded is the caller's business.
  std::tuple<at::Tensor, at::Tensor, at::Tensor> rank(const PageArguments& requests) const;

 private:
  // x [..., inputs] -> [..., outputs].
  struct Layer {
    at::Tensor matrix, bias;
    at::Tensor operator()(const at::Tensor& x) const;
  };

  // What the weights of a request make of the policy.
  struct Control {
    at::Tensor attention;   // [B or 1, Q + 2K + 3, H]
    at::Tensor set_vector;  // [B, D], or undefined where nothing is added
  };

  // What a user's side gives.
  struct Users {
    at::Tensor ids;      // [B, Iu]
    at::Tensor entries;  // [B, Iu, W]
    at::Tensor first;    // [B, 3D] to the first layer
  };

  at::Tensor floats(page::Section which, at::IntArrayRef sizes) const;
  at::Tensor integers(page::Section which, at::IntArrayRef sizes) const;
  Layer layer(page::Section which, std::int64_t inputs, std::int64_t outputs) const;
  IdEmbeddings embeddings(bool of_users) const;

  at::Tensor scaled_weights(const at::Tensor& weights) const;
  Control control(const at::Tensor& weights) const;
  Users users(const PageArguments& requests) const;
  at::Tensor mapped(const at::Tensor& values) const;
  std::vector<at::Tensor> dense_columns(const at::Tensor& dense, const at::Tensor& mask) const;
  at::Tensor candidate_rows(const PageArguments& requests, const at::Tensor& ids,
                            const Users& users) const;
  std::tuple<at::Tensor, at::Tensor> encoded(const at::Tensor& rows, const at::Tensor& mask,
                                             const Users& users) const;

  at::Tensor page_;
  page::PageHeader header_;
  IdEmbeddings user_ids_, candidate_ids_;
};

}  // namespace gerank
