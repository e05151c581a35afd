// Whether a block of memory is a page model, and whether ids have rows in it.
#include <algorithm>
#include <cstdint>
#include <string>

#include "../decode/limits.h"
#include "../decode/weights.h"
#include "../kernels/value_checks.h"
#include "page_model.h"

namespace gerank::page {
namespace {

constexpr int64_t kLargestSize = 1 << 24;
constexpr int64_t kMostRows = (int64_t{1} << 31) - 1;  // a bucket is the remainder of 31 bits

struct Bound {
  const char* name;
  int64_t value, least, most;
};

std::string outside(const Bound& bound) {
  if (bound.value >= bound.least && bound.value <= bound.most) return "";
  return std::string(bound.name) + " must be between " + std::to_string(bound.least) + " and " +
         std::to_string(bound.most) + ", got " + std::to_string(bound.value);
}

std::string bad_sizes(const PageHeader& header) {
  const Bound bounds[] = {
      {"user_dense", header.user_dense, 0, kLargestSize},
      {"user_ids", header.user_ids, 0, kLargestSize},
      {"candidate_dense", header.candidate_dense, 0, kLargestSize},
      {"candidate_ids", header.candidate_ids, 0, kLargestSize},
      {"utilities", header.utilities, 0, kLargestSize},
      {"groups", header.groups, 0, kMaxGroupKeys},
      {"flags", header.flags, 0, kMaxFlags},
      {"width", header.width, 1, kMaxWidth},
      {"attention_width", header.attention_width, 1, kMaxWidth},
      {"embedding_width", header.embedding_width, 0, kLargestSize},
      {"context_window", header.context_window, 0, kMostRows},
      {"context", header.context, 0, header.candidate_dense},
      {"maps", header.maps, 0, header.candidate_dense},
      {"knots", header.knots, 2, kLargestSize},
      {"user_units", header.user_units, 0, header.user_ids},
      {"candidate_units", header.candidate_units, 0, header.candidate_ids},
      {"user_rows", header.user_rows, 0, kMostRows},
      {"candidate_rows", header.candidate_rows, 0, kMostRows},
      {"user_lists", header.user_lists, 0, header.user_units},
      {"candidate_lists", header.candidate_lists, 0, header.candidate_units},
      {"control", header.control, kNoControl, kInput},
      {"control_hidden", header.control_hidden, 0,
       header.control == kHypernetwork ? kLargestSize : 0},
  };
  for (const Bound& bound : bounds) {
    if (std::string words = outside(bound); !words.empty()) return words;
  }
  return "";
}

struct Extent {
  Section section;
  int64_t bytes;
};

std::string bad_sections(const PageHeader& h) {
  constexpr int64_t kFloat = sizeof(float), kInt = sizeof(int64_t);
  const int64_t D = h.width, head = h.attention_size() + D, hidden = h.control_hidden;
  const bool is_hypernetwork = h.control == kHypernetwork;
  const auto layer = [](int64_t inputs, int64_t outputs) {
    return (inputs + 1) * outputs * kFloat;
  };
  const Extent extents[] = {
      {kUserMean, h.user_dense * kFloat},
      {kUserDeviation, h.user_dense * kFloat},
      {kUserColumns, h.user_ids * static_cast<int64_t>(sizeof(IdColumn))},
      {kUserUnits, h.user_units * static_cast<int64_t>(sizeof(IdUnit))},
      {kUserUnitColumns, h.user_ids * kInt},
      {kUserTable, h.user_rows * h.embedding_width * kFloat},
      {kDenseColumns, h.candidate_dense * kInt},
      {kCandidateMean, h.candidate_dense * kFloat},
      {kCandidateDeviation, h.candidate_dense * kFloat},
      {kMapColumns, h.maps * kInt},
      {kKnots, h.maps * h.knots * kFloat},
      {kMapValues, h.maps * h.knots * kFloat},
      {kCandidateColumns, h.candidate_ids * static_cast<int64_t>(sizeof(IdColumn))},
      {kCandidateUnits, h.candidate_units * static_cast<int64_t>(sizeof(IdUnit))},
      {kCandidateUnitColumns, h.candidate_ids * kInt},
      {kCandidateTable, h.candidate_rows * h.embedding_width * kFloat},
      {kListQueries, h.own_width() * h.query_width() * kFloat},
      {kFlagColumns, h.flags * kInt},
      {kGroupColumns, h.groups * kInt},
      {kWeightMiddle, h.utilities * kFloat},
      {kWeightReach, h.utilities * kFloat},
      {kControlInput, is_hypernetwork ? layer(h.utilities, hidden) : 0},
      {kControlHidden, is_hypernetwork ? layer(hidden, hidden) : 0},
      {kControlHead, h.has_head() ? layer(h.utilities + (is_hypernetwork ? hidden : 0), head) : 0},
      {kCandidateFirst, h.candidate_width() * 3 * D * kFloat},
      {kCandidateBias, D * kFloat},
      {kUserFirst, layer(h.user_width(), 3 * D)},
      {kProduct, D * 2 * D * kFloat},
      {kItem, layer(2 * D, D)},
      {kSetHidden, layer(D, D)},
      {kSetOut, layer(D, D)},
      {kDecoder, WeightLayout{D, h.attention_width, h.flags}.size() * kFloat},
      {kAttentionRows, h.attention_size() * kFloat},
  };
  static_assert(sizeof(extents) / sizeof(Extent) == kSections);
  for (const auto& [section, bytes] : extents) {
    const int64_t at = h.sections[section];
    if (at < static_cast<int64_t>(sizeof(PageHeader)) || at % kAlignment != 0 ||
        bytes > h.bytes - at) {
      return "section " + std::to_string(section) + " of " + std::to_string(bytes) +
             " bytes must lie within it at a multiple of 64, got offset " + std::to_string(at);
    }
  }
  return "";
}

std::string bad_places(const char* name, const int64_t* places, int64_t count, int64_t limit) {
  for (int64_t i = 0; i < count; ++i) {
    if (places[i] >= 0 && places[i] < limit) continue;
    return std::string(name) + " must be below " + std::to_string(limit) + ", got " +
           std::to_string(places[i]) + " at " + std::to_string(i);
  }
  return "";
}

// The id columns of one side.
struct Side {
  const char* name;
  const IdColumn* columns;
  const IdUnit* units;
  const int64_t* unit_columns;
  int64_t column_count, unit_count, rows, lists;
};

std::string bad_side(const Side& side) {
  for (int64_t c = 0; c < side.column_count; ++c) {
    const IdColumn& column = side.columns[c];
    if (column.first < 0 || column.rows < 1 || column.rows > side.rows - column.first) {
      return std::string(side.name) + " column " + std::to_string(c) + " must have rows among " +
             std::to_string(side.rows) + ", got " + std::to_string(column.rows) + " from " +
             std::to_string(column.first);
    }
  }
  int64_t next = 0, attended = 0;
  for (int64_t u = 0; u < side.unit_count; ++u) {
    const IdUnit& unit = side.units[u];
    if (unit.first != next || unit.columns < 1 || unit.columns > side.column_count - next ||
        unit.pool < kNoList || unit.pool > kAttention ||
        (unit.pool == kNoList && unit.columns != 1)) {
      return std::string(side.name) + " unit " + std::to_string(u) + " is malformed";
    }
    next += unit.columns;
    attended += unit.pool == kAttention;
  }
  if (next != side.column_count) return std::string(side.name) + " units lack columns";
  if (attended != side.lists) return std::string(side.name) + " lists are miscounted";
  return bad_places(side.name, side.unit_columns, side.column_count, side.column_count);
}

Side user_side(const PageModel& model) {
  const PageHeader& h = model.sizes();
  return {"user",
          model.section<IdColumn>(kUserColumns),
          model.section<IdUnit>(kUserUnits),
          model.section<int64_t>(kUserUnitColumns),
          h.user_ids,
          h.user_units,
          h.user_rows,
          h.user_lists};
}

Side candidate_side(const PageModel& model) {
  const PageHeader& h = model.sizes();
  return {"candidate",
          model.section<IdColumn>(kCandidateColumns),
          model.section<IdUnit>(kCandidateUnits),
          model.section<int64_t>(kCandidateUnitColumns),
          h.candidate_ids,
          h.candidate_units,
          h.candidate_rows,
          h.candidate_lists};
}

std::string bad_content(const PageModel& model) {
  const PageHeader& h = model.sizes();
  std::string words = bad_side(user_side(model));
  const auto also = [&](std::string found) {
    if (words.empty()) words = std::move(found);
  };
  also(bad_side(candidate_side(model)));
  const auto places = [&](const char* name, Section which, int64_t count, int64_t limit) {
    also(bad_places(name, model.section<int64_t>(which), count, limit));
  };
  places("dense columns", kDenseColumns, h.candidate_dense, h.candidate_dense);
  places("map columns", kMapColumns, h.maps, h.candidate_dense);
  places("flag columns", kFlagColumns, h.flags, h.candidate_ids);
  places("group columns", kGroupColumns, h.groups, h.candidate_ids);
  return words;
}

// Where in `ids` the first id lies that is no row of its column; -1: nowhere.
int64_t first_unknown(const Side& side, const int64_t* ids) {
  for (int64_t c = 0; c < side.column_count; ++c) {
    const IdColumn& column = side.columns[c];
    if (!column.hashed && (ids[c] < 0 || ids[c] >= column.rows)) return c;
  }
  return -1;
}

std::string unknown(const char* name, const Side& side, int64_t column, const int64_t* ids,
                    const std::string& whose) {
  return std::string(name) + " must be below " + std::to_string(side.columns[column].rows) +
         " in column " + std::to_string(column) + ", got " + std::to_string(ids[column]) + " of " +
         whose;
}

}  // namespace

std::string PageModel::look_at(const void* block, int64_t bytes) {
  if (bytes < static_cast<int64_t>(sizeof(PageHeader))) {
    return "must have a header of " + std::to_string(sizeof(PageHeader)) + " bytes, got " +
           std::to_string(bytes) + " bytes";
  }
  if (reinterpret_cast<uintptr_t>(block) % alignof(PageHeader) != 0) {
    return "must be aligned to 8 bytes";
  }
  block_ = static_cast<const char*>(block);
  header_ = static_cast<const PageHeader*>(block);
  if (header_->magic != kMagic) return "is no packed page model";
  if (header_->version != kVersion) {
    return "has format version " + std::to_string(header_->version) + ", this gerank reads " +
           std::to_string(kVersion);
  }
  if (header_->bytes != bytes) {
    return "says that it has " + std::to_string(header_->bytes) + " bytes, got " +
           std::to_string(bytes);
  }
  for (const auto check : {bad_sizes, bad_sections}) {
    if (std::string words = check(*header_); !words.empty()) return words;
  }
  return bad_content(*this);
}

std::string PageModel::bad_rules(const PaddedBatch& batch) {
  for (const Bound& bound :
       {Bound{"candidates", batch.M, 0, kMaxCandidates}, Bound{"slots", batch.N, 0, kMaxSlots}}) {
    if (std::string words = outside(bound); !words.empty()) return words;
  }
  cpu::DecoderView<float> view = {};
  view.batch = batch.B;
  view.num_candidates = batch.M;
  view.num_slots = batch.N;
  view.mask = batch.candidate_mask;
  view.pins = batch.pins;
  view.dedup_keys = batch.dedup_keys;
  view.slots = batch.slots;
  view.temperature = batch.temperature;
  return cpu::bad_values(view);
}

std::string PageModel::unknown_id(const PaddedBatch& batch) const {
  const Side users = user_side(*this), candidates = candidate_side(*this);
  for (int64_t b = 0; b < batch.B; ++b) {
    const int64_t* own = batch.user_ids + b * batch.user_ids_width;
    if (const int64_t at = first_unknown(users, own); at >= 0) {
      return unknown("user_ids", users, at, own, "request " + std::to_string(b));
    }
    for (int64_t m = 0; m < batch.M; ++m) {
      if (!batch.candidate_mask[b * batch.M + m]) continue;
      const int64_t* ids = batch.candidate_ids + (b * batch.M + m) * batch.candidate_ids_width;
      if (const int64_t at = first_unknown(candidates, ids); at >= 0) {
        return unknown("candidate_ids", candidates, at, ids,
                       "candidate " + std::to_string(m) + " of request " + std::to_string(b));
      }
    }
  }
  return "";
}

}  // namespace gerank::page
