// The argument checks of rank_page, shared by its CPU and Meta kernels. What a page model says of
// its sizes is checked by the CPU kernel, which can read it.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>
#include <c10/util/Exception.h>

#include "../decode/limits.h"
#include "argument_checker.h"

namespace gerank {

struct PageArguments {
  const at::Tensor& page;             // [P]: page/page_format.h
  const at::Tensor& user_dense;       // [B, Fu]
  const at::Tensor& user_ids;         // [B, Iu]
  const at::Tensor& candidate_dense;  // [B, M, F]
  const at::Tensor& candidate_ids;    // [B, M, I]
  const at::Tensor& candidate_mask;   // [B, M]
  const at::Tensor& weights;          // [B, U]
  const at::Tensor& pins;             // [B, N]
  const at::Tensor& dedup_keys;       // [B, M]
  const at::Tensor& spacing;          // [B, K, 2]
  const at::Tensor& quotas;           // [B, Q, 2]
  const at::Tensor& slots;            // [B]
  const at::Tensor& temperature;      // [B]
  const at::Tensor& seeds;            // [B]
  const at::Tensor& greedy;           // [B]
};

inline void check_rank_page(const PageArguments& arguments) {
  const ArgumentChecker check("rank_page", arguments.page, "page");
  TORCH_CHECK(check.float_dtype() == at::kFloat, "gerank::rank_page: page must be float32, got ",
              dtype_name(check.float_dtype()));
  check.rank(arguments.page, "page", "[P]", 1);
  check.rank(arguments.user_dense, "user_dense", "[B, Fu]", 2);
  check.rank(arguments.user_ids, "user_ids", "[B, Iu]", 2);
  check.rank(arguments.candidate_dense, "candidate_dense", "[B, M, F]", 3);
  check.rank(arguments.candidate_ids, "candidate_ids", "[B, M, I]", 3);
  check.rank(arguments.weights, "weights", "[B, U]", 2);
  check.rank(arguments.pins, "pins", "[B, N]", 2);
  check.rank(arguments.spacing, "spacing", "[B, K, 2]", 3);
  check.rank(arguments.quotas, "quotas", "[B, Q, 2]", 3);
  const c10::SymInt B = arguments.candidate_dense.sym_size(0);
  const c10::SymInt M = arguments.candidate_dense.sym_size(1);
  const c10::SymInt N = arguments.pins.sym_size(1);
  check.tensor(arguments.user_dense, "user_dense", "[B, Fu]", at::kFloat,
               {B, arguments.user_dense.sym_size(1)});
  check.tensor(arguments.user_ids, "user_ids", "[B, Iu]", at::kLong,
               {B, arguments.user_ids.sym_size(1)});
  check.tensor(arguments.candidate_dense, "candidate_dense", "[B, M, F]", at::kFloat,
               {B, M, arguments.candidate_dense.sym_size(2)});
  check.tensor(arguments.candidate_ids, "candidate_ids", "[B, M, I]", at::kLong,
               {B, M, arguments.candidate_ids.sym_size(2)});
  check.tensor(arguments.candidate_mask, "candidate_mask", "[B, M]", at::kBool, {B, M});
  check.tensor(arguments.weights, "weights", "[B, U]", at::kFloat,
               {B, arguments.weights.sym_size(1)});
  check.tensor(arguments.pins, "pins", "[B, N]", at::kLong, {B, N});
  check.tensor(arguments.dedup_keys, "dedup_keys", "[B, M]", at::kLong, {B, M});
  check.tensor(arguments.spacing, "spacing", "[B, K, 2]", at::kLong,
               {B, arguments.spacing.sym_size(1), 2});
  check.tensor(arguments.quotas, "quotas", "[B, Q, 2]", at::kLong,
               {B, arguments.quotas.sym_size(1), 2});
  check.tensor(arguments.slots, "slots", "[B]", at::kLong, {B});
  check.tensor(arguments.temperature, "temperature", "[B]", at::kFloat, {B});
  check.tensor(arguments.seeds, "seeds", "[B]", at::kLong, {B});
  check.tensor(arguments.greedy, "greedy", "[B]", at::kBool, {B});
  check.at_most(M, "M", kMaxCandidates);
  check.at_most(N, "N", kMaxSlots);
}

}  // namespace gerank
