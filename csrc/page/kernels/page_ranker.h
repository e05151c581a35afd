// From padded requests to slates, a block of requests at a time: features, encoder, decode.
#pragma once

#include <cstdint>

#include "../../kernels/slate_decoder.h"
#include "../../kernels/tasks.h"
#include "candidate_rows.h"
#include "item_encoder.h"
#include "page_task.h"
#include "user_rows.h"

namespace gerank::cpu {
namespace {

// What the layers give stays in the memory of the block, where the decoder finds it.
template <typename S>
class PageRanker {
 public:
  using T = typename S::scalar_t;

  PageRanker(const PageTask& task, int64_t block, Arena& arena)
      : task_(task),
        sizes_(task.model.sizes()),
        users_(task, block, arena),
        candidates_(task, users_.embeddings(), arena),
        encoder_(task, block, arena),
        flags_(arena.take<bool>(block * task.batch.M * sizes_.flags)),
        groups_(arena.take<int64_t>(block * task.batch.M * sizes_.groups)),
        decode_(decode_task()),
        decoder_(decode_, block, arena, task.pairs(page::kDecoder)) {}

  void rank(Block block) {
    users_.load(block);
    for (int64_t i = 0; i < block.count; ++i) {
      candidates_.load(block.first + i);
      encoder_.encode(i, candidates_, users_.first(i));
      find_keys(block.first + i, i);
    }
    encoder_.encode_sets(block.count);
    for (int64_t i = 0; i < block.count && users_.set_term(i) != nullptr; ++i) {
      encoder_.add_to_set(i, users_.set_term(i));
    }
    point_to(block);
    decoder_.decode({0, block.count});
  }

 private:
  DecodeTask<T> decode_task() const {
    DecodeTask<T> decode = {};
    decode.num_slates = 1;
    DecoderView<T>& inputs = decode.inputs;
    inputs.num_candidates = task_.batch.M;
    inputs.num_slots = task_.batch.N;
    inputs.width = sizes_.width;
    inputs.attention_width = sizes_.attention_width;
    inputs.num_flags = sizes_.flags;
    inputs.num_groups = sizes_.groups;
    inputs.context_window = sizes_.context_window;
    inputs.attention_stride = users_.attention_stride();
    inputs.candidates = encoder_.encoded();
    inputs.set_vector = encoder_.sets();
    inputs.weights = task_.model.template section<T>(page::kDecoder);
    inputs.attention = users_.attention();
    inputs.flags = flags_;
    inputs.groups = groups_;
    return decode;
  }

  // The requests' own part of the batch and of the answer.
  void point_to(Block block) {
    const PaddedBatch& batch = task_.batch;
    const int64_t b = block.first;
    DecoderView<T>& inputs = decode_.inputs;
    inputs.batch = block.count;
    inputs.mask = batch.candidate_mask + b * batch.M;
    inputs.pins = batch.pins + b * batch.N;
    inputs.dedup_keys = batch.dedup_keys + b * batch.M;
    inputs.spacing = batch.spacing + b * sizes_.groups * 2;
    inputs.quotas = batch.quotas + b * sizes_.flags * 2;
    inputs.slots = batch.slots + b;
    inputs.temperature = batch.temperature + b;
    decode_.seeds = batch.seeds + b;
    decode_.greedy = batch.greedy + b;
    decode_.slates = task_.answer.slates + b * batch.N;
    decode_.log_prob = task_.answer.log_prob + b * batch.N;
    decode_.relaxed = task_.answer.relaxed + b * batch.N;
  }

  // The ids that the rules and the local context speak of.
  void find_keys(int64_t b, int64_t i) {
    const int64_t M = task_.batch.M, Q = sizes_.flags, K = sizes_.groups;
    const int64_t* flag_columns = task_.model.template section<int64_t>(page::kFlagColumns);
    const int64_t* group_columns = task_.model.template section<int64_t>(page::kGroupColumns);
    for (int64_t m = 0; m < M; ++m) {
      const int64_t* ids = task_.batch.candidate_ids + (b * M + m) * sizes_.candidate_ids;
      for (int64_t q = 0; q < Q; ++q) flags_[(i * M + m) * Q + q] = ids[flag_columns[q]] > 0;
      for (int64_t k = 0; k < K; ++k) groups_[(i * M + m) * K + k] = ids[group_columns[k]];
    }
  }

  const PageTask& task_;
  const page::PageHeader& sizes_;
  UserRows<S> users_;
  CandidateRows<S> candidates_;
  ItemEncoder<S> encoder_;
  bool* flags_;      // [block, M, Q]
  int64_t* groups_;  // [block, M, K]
  DecodeTask<T> decode_;
  SlateDecoder<S> decoder_;
};

}  // namespace
}  // namespace gerank::cpu
