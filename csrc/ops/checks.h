// The argument checks of every op, shared by its CPU, CUDA and Meta kernels. Sizes are SymInts, so
// that a kernel that is only traced checks them as well. Values are checked by the CPU kernels.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>
#include <c10/util/Exception.h>

#include "../decode/limits.h"
#include "../decode/weights.h"
#include "../encode/layout.h"
#include "argument_checker.h"

namespace gerank {

inline void check_set_features(const at::Tensor& values, const at::Tensor& mask,
                               const at::Tensor& mean, const at::Tensor& deviation) {
  const ArgumentChecker check("set_features", values, "values");
  check.rank(values, "values", "[B, M, F]", 3);
  const auto dtype = check.float_dtype();
  const c10::SymInt B = values.sym_size(0), M = values.sym_size(1), F = values.sym_size(2);
  check.tensor(mask, "mask", "[B, M]", at::kBool, {B, M});
  check.tensor(mean, "mean", "[F]", dtype, {F});
  check.tensor(deviation, "deviation", "[F]", dtype, {F});
}

inline void check_encode_set(const at::Tensor& candidates, const at::Tensor& users,
                             const at::Tensor& mask, const at::Tensor& weights,
                             const c10::SymInt& width) {
  const ArgumentChecker check("encode_set", candidates, "candidates");
  check.rank(candidates, "candidates", "[B, M, X]", 3);
  check.rank(users, "users", "[B, U]", 2);
  const auto dtype = check.float_dtype();
  const c10::SymInt B = candidates.sym_size(0), M = candidates.sym_size(1);
  check.tensor(users, "users", "[B, U]", dtype, {B, users.sym_size(1)});
  check.tensor(mask, "mask", "[B, M]", at::kBool, {B, M});
  TORCH_CHECK(width >= 1, "gerank::encode_set: width must be at least 1, got ", width);
  const BasicEncoderLayout<c10::SymInt> layout{candidates.sym_size(2), users.sym_size(1), width};
  check.tensor(weights, "weights", "[P]", dtype, {layout.size()});
}

struct PointerStepArguments {
  const at::Tensor& keys;         // [B, M, H]
  const at::Tensor& query;        // [B, H]
  const at::Tensor& context;      // [B, M, C]
  const at::Tensor& w_context;    // [B or 1, C, H]
  const at::Tensor& v;            // [B or 1, H]
  const at::Tensor& temperature;  // [B]
};

inline ArgumentChecker check_pointer_step(const PointerStepArguments& arguments, const char* op) {
  const ArgumentChecker check(op, arguments.keys, "keys");
  check.rank(arguments.keys, "keys", "[B, M, H]", 3);
  check.rank(arguments.context, "context", "[B, M, C]", 3);
  const auto dtype = check.float_dtype();
  const c10::SymInt B = arguments.keys.sym_size(0), M = arguments.keys.sym_size(1);
  const c10::SymInt H = arguments.keys.sym_size(2), C = arguments.context.sym_size(2);
  check.tensor(arguments.query, "query", "[B, H]", dtype, {B, H});
  check.tensor(arguments.context, "context", "[B, M, C]", dtype, {B, M, C});
  check.shared_tensor(arguments.w_context, "w_context", "[B, C, H]", {B, C, H});
  check.shared_tensor(arguments.v, "v", "[B, H]", {B, H});
  check.tensor(arguments.temperature, "temperature", "[B]", dtype, {B});
  check.at_most(M, "M", kMaxCandidates);
  check.at_most(H, "H", kMaxWidth);
  return check;
}

inline void check_pointer_step_choice(const ArgumentChecker& check, const at::Tensor& keys,
                                      const at::Tensor& mask, const at::Tensor& seeds,
                                      const at::Tensor& greedy, const at::Tensor& forced,
                                      int64_t slot, int64_t slate) {
  const c10::SymInt B = keys.sym_size(0), M = keys.sym_size(1);
  check.tensor(mask, "mask", "[B, M]", at::kBool, {B, M});
  check.tensor(seeds, "seeds", "[B]", at::kLong, {B});
  check.tensor(greedy, "greedy", "[B]", at::kBool, {B});
  check.tensor(forced, "forced", "[B]", at::kLong, {B});
  check.at_least(slot, "slot", 0);
  check.at_least(slate, "slate", 0);
}

inline void check_pointer_step_backward(const PointerStepArguments& arguments,
                                        const at::Tensor& grad_log_prob,
                                        const at::Tensor& grad_entropy, const at::Tensor& choice,
                                        const at::Tensor& log_prob, const at::Tensor& entropy,
                                        const at::Tensor& probs) {
  const ArgumentChecker check = check_pointer_step(arguments, "pointer_step_backward");
  const auto dtype = check.float_dtype();
  const c10::SymInt B = arguments.keys.sym_size(0), M = arguments.keys.sym_size(1);
  check.tensor(grad_log_prob, "grad_log_prob", "[B]", dtype, {B});
  check.tensor(grad_entropy, "grad_entropy", "[B]", dtype, {B});
  check.tensor(choice, "choice", "[B]", at::kLong, {B});
  check.tensor(log_prob, "log_prob", "[B]", dtype, {B});
  check.tensor(entropy, "entropy", "[B]", dtype, {B});
  check.tensor(probs, "probs", "[B, M]", dtype, {B, M});
}

// The arguments that decode_slates and slate_log_prob have in common.
struct DecoderArguments {
  const at::Tensor& candidates;   // [B, M, D]
  const at::Tensor& set_vector;   // [B, D]
  const at::Tensor& mask;         // [B, M]
  const at::Tensor& weights;      // [P]: weights.h
  const at::Tensor& attention;    // [B or 1, C + 3, H]: weights.h
  const at::Tensor& flags;        // [B, M, Q]
  const at::Tensor& groups;       // [B, M, K]
  const at::Tensor& pins;         // [B, N]
  const at::Tensor& dedup_keys;   // [B, M]
  const at::Tensor& spacing;      // [B, K, 2]
  const at::Tensor& quotas;       // [B, Q, 2]
  const at::Tensor& slots;        // [B]
  const at::Tensor& temperature;  // [B]
};

inline void check_decoder_weights(const ArgumentChecker& check, const DecoderArguments& arguments) {
  const auto dtype = check.float_dtype();
  const c10::SymInt B = arguments.candidates.sym_size(0), D = arguments.candidates.sym_size(2);
  const c10::SymInt Q = arguments.flags.sym_size(2), K = arguments.groups.sym_size(2);
  const c10::SymInt H = arguments.attention.sym_size(2);
  check.at_most(D, "D", kMaxWidth);
  check.at_most(H, "H", kMaxWidth);
  check.at_most(Q, "Q", kMaxFlags);
  check.at_most(K, "K", kMaxGroupKeys);
  const BasicWeightLayout<c10::SymInt> layout{D, H, Q};
  check.tensor(arguments.weights, "weights", "[P]", dtype, {layout.size()});
  check.shared_tensor(arguments.attention, "attention", "[B, Q + 2K + 3, H]",
                      {B, Q + K * 2 + 3, H});
}

inline void check_decoder_rules(const ArgumentChecker& check, const DecoderArguments& arguments) {
  const c10::SymInt B = arguments.candidates.sym_size(0), M = arguments.candidates.sym_size(1);
  const c10::SymInt Q = arguments.flags.sym_size(2), K = arguments.groups.sym_size(2);
  const c10::SymInt N = arguments.pins.sym_size(1);
  check.tensor(arguments.mask, "mask", "[B, M]", at::kBool, {B, M});
  check.tensor(arguments.flags, "flags", "[B, M, Q]", at::kBool, {B, M, Q});
  check.tensor(arguments.groups, "groups", "[B, M, K]", at::kLong, {B, M, K});
  check.tensor(arguments.pins, "pins", "[B, N]", at::kLong, {B, N});
  check.tensor(arguments.dedup_keys, "dedup_keys", "[B, M]", at::kLong, {B, M});
  check.tensor(arguments.spacing, "spacing", "[B, K, 2]", at::kLong, {B, K, 2});
  check.tensor(arguments.quotas, "quotas", "[B, Q, 2]", at::kLong, {B, Q, 2});
  check.tensor(arguments.slots, "slots", "[B]", at::kLong, {B});
  check.at_most(M, "M", kMaxCandidates);
  check.at_most(N, "N", kMaxSlots);
}

inline ArgumentChecker check_decoder(const DecoderArguments& arguments, const char* op) {
  const ArgumentChecker check(op, arguments.candidates, "candidates");
  check.rank(arguments.candidates, "candidates", "[B, M, D]", 3);
  check.rank(arguments.attention, "attention", "[B, Q + 2K + 3, H]", 3);
  check.rank(arguments.flags, "flags", "[B, M, Q]", 3);
  check.rank(arguments.groups, "groups", "[B, M, K]", 3);
  check.rank(arguments.pins, "pins", "[B, N]", 2);
  const auto dtype = check.float_dtype();
  const c10::SymInt B = arguments.candidates.sym_size(0), D = arguments.candidates.sym_size(2);
  check.tensor(arguments.set_vector, "set_vector", "[B, D]", dtype, {B, D});
  check.tensor(arguments.temperature, "temperature", "[B]", dtype, {B});
  check_decoder_weights(check, arguments);
  check_decoder_rules(check, arguments);
  return check;
}

inline ArgumentChecker check_decoding(const DecoderArguments& arguments, const at::Tensor& seeds,
                                      const at::Tensor& greedy, int64_t context_window,
                                      const char* op) {
  const ArgumentChecker check = check_decoder(arguments, op);
  const c10::SymInt B = arguments.candidates.sym_size(0);
  check.tensor(seeds, "seeds", "[B]", at::kLong, {B});
  check.tensor(greedy, "greedy", "[B]", at::kBool, {B});
  check.at_least(context_window, "context_window", 0);
  return check;
}

inline void check_decode_slates(const DecoderArguments& arguments, const at::Tensor& seeds,
                                const at::Tensor& greedy, int64_t num_slates,
                                int64_t context_window) {
  check_decoding(arguments, seeds, greedy, context_window, "decode_slates")
      .at_least(num_slates, "num_slates", 1);
}

inline void check_slate_log_prob(const DecoderArguments& arguments, const at::Tensor& slates,
                                 int64_t context_window) {
  const ArgumentChecker check = check_decoder(arguments, "slate_log_prob");
  check.rank(slates, "slates", "[B, G, N]", 3);
  const c10::SymInt B = arguments.candidates.sym_size(0), N = arguments.pins.sym_size(1);
  check.tensor(slates, "slates", "[B, G, N]", at::kLong, {B, slates.sym_size(1), N});
  check.at_least(context_window, "context_window", 0);
}

// What slate_log_prob_backward gets: arguments of slate_log_prob and what its forward saved.
struct SlateGradientArguments {
  const at::Tensor& grad_log_prob;  // [B, G, N]
  const at::Tensor& grad_entropy;   // [B, G, N]
  const at::Tensor& candidates;     // [B, M, D]
  const at::Tensor& weights;        // [P]
  const at::Tensor& attention;      // [B or 1, C + 3, H]
  const at::Tensor& flags;          // [B, M, Q]
  const at::Tensor& groups;         // [B, M, K]
  const at::Tensor& slots;          // [B]
  const at::Tensor& temperature;    // [B]
  const at::Tensor& slates;         // [B, G, N]
  const at::Tensor& log_prob;       // [B, G, N]
  const at::Tensor& entropy;        // [B, G, N]
  const at::Tensor& probs;          // [B, G, N, M]
  const at::Tensor& hidden;         // [B, G, N + 1, D]
  const at::Tensor& gates;          // [B, G, N, 4D]
  const at::Tensor& projection;     // [B, G, N, H]
};

inline void check_slate_log_prob_backward(const SlateGradientArguments& arguments) {
  const ArgumentChecker check("slate_log_prob_backward", arguments.candidates, "candidates");
  check.rank(arguments.candidates, "candidates", "[B, M, D]", 3);
  check.rank(arguments.attention, "attention", "[B, Q + 2K + 3, H]", 3);
  check.rank(arguments.flags, "flags", "[B, M, Q]", 3);
  check.rank(arguments.groups, "groups", "[B, M, K]", 3);
  check.rank(arguments.slates, "slates", "[B, G, N]", 3);
  const auto dtype = check.float_dtype();
  const c10::SymInt B = arguments.candidates.sym_size(0), M = arguments.candidates.sym_size(1);
  const c10::SymInt D = arguments.candidates.sym_size(2), H = arguments.attention.sym_size(2);
  const c10::SymInt Q = arguments.flags.sym_size(2), K = arguments.groups.sym_size(2);
  const c10::SymInt G = arguments.slates.sym_size(1), N = arguments.slates.sym_size(2);
  const BasicWeightLayout<c10::SymInt> layout{D, H, Q};
  check.at_most(M, "M", kMaxCandidates);
  check.at_most(K, "K", kMaxGroupKeys);
  check.at_most(Q, "Q", kMaxFlags);
  check.tensor(arguments.weights, "weights", "[P]", dtype, {layout.size()});
  check.shared_tensor(arguments.attention, "attention", "[B, Q + 2K + 3, H]",
                      {B, Q + K * 2 + 3, H});
  check.tensor(arguments.flags, "flags", "[B, M, Q]", at::kBool, {B, M, Q});
  check.tensor(arguments.groups, "groups", "[B, M, K]", at::kLong, {B, M, K});
  check.tensor(arguments.slots, "slots", "[B]", at::kLong, {B});
  check.tensor(arguments.temperature, "temperature", "[B]", dtype, {B});
  check.tensor(arguments.slates, "slates", "[B, G, N]", at::kLong, {B, G, N});
  check.tensor(arguments.grad_log_prob, "grad_log_prob", "[B, G, N]", dtype, {B, G, N});
  check.tensor(arguments.grad_entropy, "grad_entropy", "[B, G, N]", dtype, {B, G, N});
  check.tensor(arguments.log_prob, "log_prob", "[B, G, N]", dtype, {B, G, N});
  check.tensor(arguments.entropy, "entropy", "[B, G, N]", dtype, {B, G, N});
  check.tensor(arguments.probs, "probs", "[B, G, N, M]", dtype, {B, G, N, M});
  check.tensor(arguments.hidden, "hidden", "[B, G, N + 1, D]", dtype, {B, G, N + 1, D});
  check.tensor(arguments.gates, "gates", "[B, G, N, 4D]", dtype, {B, G, N, D * 4});
  check.tensor(arguments.projection, "projection", "[B, G, N, H]", dtype, {B, G, N, H});
}

}  // namespace gerank
