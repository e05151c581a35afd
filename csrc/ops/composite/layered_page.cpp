#include "layered_page.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/accumulate.h>

#include <cstring>
#include <utility>

#include "../../decode/weights.h"

namespace gerank {
namespace {

constexpr std::int64_t kWord = sizeof(float);
constexpr double kFurthest = 6;  // deviations, beyond which a value carries no more information

// The op's typed handle.
template <typename Signature>
auto find_op(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

at::Tensor set_features(const at::Tensor& values, const at::Tensor& mask, const at::Tensor& mean,
                        const at::Tensor& deviation) {
  static const auto op = find_op<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                            const at::Tensor&)>("gerank::set_features");
  return op.call(values, mask, mean, deviation);
}

at::Tensor standardised(const at::Tensor& values, const at::Tensor& mean,
                        const at::Tensor& deviation) {
  return ((values - mean) / deviation).clamp(-kFurthest, kFurthest);
}

page::PageHeader header_of(const at::Tensor& page) {
  constexpr std::int64_t kWords = sizeof(page::PageHeader) / kWord;
  TORCH_CHECK(page.numel() >= kWords, "gerank::rank_page: page must have a header of ", kWords,
              " numbers, got ", page.numel());
  const at::Tensor words = page.narrow(0, 0, kWords).cpu().contiguous();
  page::PageHeader header;
  std::memcpy(&header, words.const_data_ptr(), sizeof(header));
  TORCH_CHECK(header.magic == page::kMagic && header.version == page::kVersion &&
                  header.bytes == page.numel() * kWord,
              "gerank::rank_page: page is no packed page model of version ", page::kVersion);
  return header;
}

}  // namespace

LayeredPage::LayeredPage(const at::Tensor& page)
    : page_(page.contiguous()), header_(header_of(page_)) {
  user_ids_ = embeddings(true);
  candidate_ids_ = embeddings(false);
}

at::Tensor LayeredPage::floats(page::Section which, at::IntArrayRef sizes) const {
  const std::int64_t count = c10::multiply_integers(sizes);
  return page_.narrow(0, header_.sections[which] / kWord, count).view(sizes);
}

at::Tensor LayeredPage::integers(page::Section which, at::IntArrayRef sizes) const {
  const std::int64_t count = 2 * c10::multiply_integers(sizes);
  return page_.narrow(0, header_.sections[which] / kWord, count).view(at::kLong).view(sizes);
}

at::Tensor LayeredPage::Layer::operator()(const at::Tensor& x) const {
  return at::matmul(x, matrix) + bias;
}

LayeredPage::Layer LayeredPage::layer(page::Section which, std::int64_t inputs,
                                      std::int64_t outputs) const {
  const at::Tensor all = floats(which, {(inputs + 1) * outputs});
  return {all.narrow(0, 0, inputs * outputs).view({inputs, outputs}),
          all.narrow(0, inputs * outputs, outputs)};
}

IdEmbeddings LayeredPage::embeddings(bool of_users) const {
  const page::PageHeader& h = header_;
  const auto columns = of_users ? h.user_ids : h.candidate_ids;
  const auto count = of_users ? h.user_units : h.candidate_units;
  const auto rows = of_users ? h.user_rows : h.candidate_rows;
  const at::Tensor words =
      integers(of_users ? page::kUserUnits : page::kCandidateUnits, {count, 4}).cpu();
  std::vector<page::IdUnit> units(static_cast<std::size_t>(count));
  if (count > 0) std::memcpy(units.data(), words.const_data_ptr(), words.nbytes());
  return {integers(of_users ? page::kUserColumns : page::kCandidateColumns, {columns, 3}),
          integers(of_users ? page::kUserUnitColumns : page::kCandidateUnitColumns, {columns}),
          floats(of_users ? page::kUserTable : page::kCandidateTable, {rows, h.embedding_width}),
          std::move(units)};
}

// To -1..1 over their ranges.
at::Tensor LayeredPage::scaled_weights(const at::Tensor& weights) const {
  const auto U = header_.utilities;
  return (weights - floats(page::kWeightMiddle, {U})) / floats(page::kWeightReach, {U});
}

LayeredPage::Control LayeredPage::control(const at::Tensor& weights) const {
  const page::PageHeader& h = header_;
  const auto rows = h.attention_size() / h.attention_width;
  if (!h.has_head()) {
    return {floats(page::kAttentionRows, {1, rows, h.attention_width}), at::Tensor()};
  }
  at::Tensor inputs = scaled_weights(weights);
  if (h.control == page::kHypernetwork) {
    const auto wide = h.control_hidden;
    const at::Tensor hidden = layer(page::kControlInput, h.utilities, wide)(inputs).relu_();
    const at::Tensor second = layer(page::kControlHidden, wide, wide)(hidden).relu_();
    inputs = at::cat({inputs, second}, 1);
  }
  const auto outputs = h.attention_size() + h.width;
  const at::Tensor head = layer(page::kControlHead, inputs.size(1), outputs)(inputs);
  const at::Tensor attention = head.narrow(1, 0, h.attention_size());
  return {attention.reshape({-1, rows, h.attention_width}),
          head.narrow(1, h.attention_size(), h.width)};
}

LayeredPage::Users LayeredPage::users(const PageArguments& requests) const {
  const page::PageHeader& h = header_;
  const at::Tensor& ids = requests.user_ids;
  const at::Tensor entries = user_ids_.entries(ids);
  std::vector<at::Tensor> parts = {standardised(requests.user_dense,
                                                floats(page::kUserMean, {h.user_dense}),
                                                floats(page::kUserDeviation, {h.user_dense}))};
  for (const at::Tensor& unit : user_ids_.pooled(entries, ids, true)) parts.push_back(unit);
  if (h.control == page::kInput) parts.push_back(scaled_weights(requests.weights));
  const Layer first = layer(page::kUserFirst, h.user_width(), 3 * h.width);
  return {ids, entries, first(at::cat(parts, 1))};
}

// Values [B, M, F] with the columns of maps replaced: gerank.nn.calibration.
at::Tensor LayeredPage::mapped(const at::Tensor& values) const {
  const auto maps = header_.maps, size = header_.knots;
  if (maps == 0) return values;
  const at::Tensor columns = integers(page::kMapColumns, {maps});
  const at::Tensor knots = floats(page::kKnots, {maps, size});
  const at::Tensor heights = floats(page::kMapValues, {maps, size});
  const at::Tensor raw = values.index_select(2, columns);
  const at::Tensor scores = raw.permute({2, 0, 1}).reshape({maps, -1}).contiguous();
  const at::Tensor right = at::searchsorted(knots, scores).clamp(1, size - 1);
  const at::Tensor x0 = knots.gather(1, right - 1), x1 = knots.gather(1, right);
  const at::Tensor y0 = heights.gather(1, right - 1), y1 = heights.gather(1, right);
  const at::Tensor found = y0 + (scores - x0) * ((y1 - y0) / (x1 - x0));
  const at::Tensor back = found.view({maps, raw.size(0), raw.size(1)}).permute({1, 2, 0});
  return values.index_copy(2, columns, back);
}

// Values in context, their z-scores and ranks, then the other values: [B, M, ...] each, padding 0.
std::vector<at::Tensor> LayeredPage::dense_columns(const at::Tensor& dense,
                                                   const at::Tensor& mask) const {
  const auto F = header_.candidate_dense, C = header_.context;
  const at::Tensor values = mapped(dense.index_select(2, integers(page::kDenseColumns, {F})));
  const at::Tensor mean = floats(page::kCandidateMean, {F});
  const at::Tensor deviation = floats(page::kCandidateDeviation, {F});
  std::vector<at::Tensor> parts;
  if (C > 0) {
    const at::Tensor placed =
        set_features(values.narrow(2, 0, C), mask, mean.narrow(0, 0, C), deviation.narrow(0, 0, C));
    parts = {placed.narrow(2, 0, C), placed.narrow(2, 2 * C, C), placed.narrow(2, C, C)};
  }
  const at::Tensor alone = standardised(values.narrow(2, C, F - C), mean.narrow(0, C, F - C),
                                        deviation.narrow(0, C, F - C));
  parts.push_back(alone.masked_fill(mask.logical_not().unsqueeze(-1), 0));
  return parts;
}

at::Tensor LayeredPage::candidate_rows(const PageArguments& requests, const at::Tensor& ids,
                                       const Users& users) const {
  const page::PageHeader& h = header_;
  const auto W = h.embedding_width;
  const at::Tensor entries = candidate_ids_.entries(ids);
  const auto dense = dense_columns(requests.candidate_dense, requests.candidate_mask);
  std::vector<at::Tensor> units = candidate_ids_.pooled(entries, ids, false);
  const auto joined = [&] {
    std::vector<at::Tensor> parts = dense;
    parts.insert(parts.end(), units.begin(), units.end());
    return at::cat(parts, 2);
  };
  if (h.query_width() == 0) return joined();
  const at::Tensor queries =
      at::matmul(joined(), floats(page::kListQueries, {h.own_width(), h.query_width()}));
  std::int64_t next = 0;
  const auto next_query = [&] { return queries.narrow(2, W * next++, W); };  // [B, M, W]
  for (std::size_t u = 0; u < units.size(); ++u) {
    const page::IdUnit& list = candidate_ids_.units()[u];
    if (list.pool != page::kAttention) continue;
    const at::Tensor own = candidate_ids_.list_entries(list, entries);  // [B, M, L, W]
    const at::Tensor scores = (own * next_query().unsqueeze(2)).sum(-1);
    const at::Tensor weights = attention_weights(scores, candidate_ids_.is_entry(list, ids));
    units[u] = (own * weights.unsqueeze(-1)).sum(2);
  }
  for (const page::IdUnit& list : user_ids_.units()) {
    if (list.pool != page::kAttention) continue;
    const at::Tensor own = user_ids_.list_entries(list, users.entries);  // [B, L, W]
    const at::Tensor scores = at::matmul(next_query(), own.transpose(1, 2));
    const at::Tensor is_entry = user_ids_.is_entry(list, users.ids).unsqueeze(1);
    units.push_back(at::matmul(attention_weights(scores, is_entry), own));
  }
  return joined();
}

// e [B, M, D] and e_c [B, D]: gerank.nn.encoder.DeepSetEncoder.
std::tuple<at::Tensor, at::Tensor> LayeredPage::encoded(const at::Tensor& rows,
                                                        const at::Tensor& mask,
                                                        const Users& users) const {
  const page::PageHeader& h = header_;
  const auto D = h.width;
  const at::Tensor own =
      at::matmul(rows, floats(page::kCandidateFirst, {h.candidate_width(), 3 * D}));
  const at::Tensor user = users.first.unsqueeze(1);  // [B, 1, 3D]
  const at::Tensor product =
      (own.narrow(2, 0, D) + floats(page::kCandidateBias, {D})) * user.narrow(2, 0, D);
  const at::Tensor hidden = (own.narrow(2, D, 2 * D) + user.narrow(2, D, 2 * D) +
                             at::matmul(product, floats(page::kProduct, {D, 2 * D})))
                                .relu_();
  const at::Tensor items =
      layer(page::kItem, 2 * D, D)(hidden).masked_fill(mask.logical_not().unsqueeze(-1), 0);
  const at::Tensor count = mask.sum(1, true).clamp_min(1).to(items.scalar_type());
  const at::Tensor set_hidden = layer(page::kSetHidden, D, D)(items.sum(1) / count.sqrt()).relu_();
  return {items, layer(page::kSetOut, D, D)(set_hidden).tanh_()};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> LayeredPage::rank(
    const PageArguments& requests) const {
  using Decode = std::tuple<at::Tensor, at::Tensor, at::Tensor>(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
      int64_t, int64_t);
  static const auto decode_slates = find_op<Decode>("gerank::decode_slates");
  const page::PageHeader& h = header_;
  const at::Tensor& mask = requests.candidate_mask;
  // Padding has the first id of every column, which has a row.
  const at::Tensor ids = requests.candidate_ids.masked_fill(mask.logical_not().unsqueeze(-1), 0);
  const Users known = users(requests);
  auto [items, set_vector] = encoded(candidate_rows(requests, ids, known), mask, known);
  const Control added = control(requests.weights);
  if (added.set_vector.defined()) set_vector = set_vector + added.set_vector;
  const at::Tensor flags = ids.index_select(2, integers(page::kFlagColumns, {h.flags})).gt(0);
  const at::Tensor groups = ids.index_select(2, integers(page::kGroupColumns, {h.groups}));
  const auto size = WeightLayout{h.width, h.attention_width, h.flags}.size();
  const auto [slates, log_prob, relaxed] = decode_slates.call(
      items, set_vector, mask, floats(page::kDecoder, {size}), added.attention, flags, groups,
      requests.pins, requests.dedup_keys, requests.spacing, requests.quotas, requests.slots,
      requests.temperature, requests.seeds, requests.greedy, 1, h.context_window);
  return {slates.squeeze(1), log_prob.squeeze(1), relaxed.squeeze(1)};
}

}  // namespace gerank
