// The generator of an artifact as one block of memory: what a page needs beside the request. This
// is the one definition of the format; gerank/ops/page_packing.py writes it.
//
// A PageHeader, then the sections at the offsets that it names, each a multiple of 64 bytes from
// the beginning. Numbers are little-endian, matrices row-major. Letters as in gerank/model.h; Fu
// and F dense features, Iu and I id columns of a user and of a candidate; Tu and T their units: an
// id column by itself, or all columns of a list; W the width of an embedding; D and H as in
// decode/weights.h.
//
// What describes a user, Xu numbers: Fu values, Tu embeddings, the weights where they are an input.
// What describes a candidate, X numbers: C values in context, their C z-scores, their C ranks, the
// F - C values of the other columns, T embeddings, then one per list of the user that candidates
// attend to.
#pragma once

#include <cstdint>

#include "../decode/host_device.h"

namespace gerank::page {

inline constexpr int64_t kMagic = 0x454741505F524547;  // "GER_PAGE"
inline constexpr int64_t kVersion = 1;
inline constexpr int64_t kAlignment = 64;

// How weights reach the policy: gerank.nn.control.
enum Control : int64_t { kNoControl, kHypernetwork, kLinear, kInput };

// How the entries of a list become one vector: gerank.data.feature_block.Pool.
enum Pool : int64_t { kNoList, kMean, kSum, kAttention };

// A linear layer is its matrix [inputs, outputs] and, right behind it, its bias [outputs].
enum Section : int64_t {
  kUserMean,              // [Fu]
  kUserDeviation,         // [Fu]
  kUserColumns,           // [Iu] of IdColumn
  kUserUnits,             // [Tu] of IdUnit
  kUserUnitColumns,       // [Iu] int64: the columns of the units, one unit after another
  kUserTable,             // [rows, W]
  kDenseColumns,          // [F] int64: where each candidate value lies in a request; first those in
                          // context. Below, F is in this order.
  kCandidateMean,         // [F]
  kCandidateDeviation,    // [F]
  kMapColumns,            // [maps] int64, in F
  kKnots,                 // [maps, knots], rising
  kMapValues,             // [maps, knots]
  kCandidateColumns,      // [I] of IdColumn
  kCandidateUnits,        // [T] of IdUnit
  kCandidateUnitColumns,  // [I] int64
  kCandidateTable,        // [rows, W]
  kListQueries,           // [X without the user's lists, (candidates' + user's lists) * W]
  kFlagColumns,           // [Q] int64, in I
  kGroupColumns,          // [K] int64, in I
  kWeightMiddle,          // [U]
  kWeightReach,           // [U]
  kControlInput,          // layer U -> control_hidden, of a hypernetwork
  kControlHidden,         // layer control_hidden -> control_hidden, of a hypernetwork
  kControlHead,     // layer U + control_hidden -> (Q + 2K + 3) * H + D; its bias has the shared
                    // attention, its rows the share of a hidden number
  kCandidateFirst,  // [X, 3D]: to the candidate's side of the product, and to the hidden layer
  kCandidateBias,   // [D]
  kUserFirst,       // layer Xu -> 3D: to the user's side, and to the hidden layer
  kProduct,         // [D, 2D]
  kItem,            // layer 2D -> D
  kSetHidden,       // layer D -> D
  kSetOut,          // layer D -> D
  kDecoder,         // [P]: decode/weights.h
  kAttentionRows,   // [Q + 2K + 3, H]: decode/weights.h
  kSections
};

struct PageHeader {
  int64_t magic, version;
  int64_t bytes;                                                 // of the whole block
  int64_t user_dense, user_ids, candidate_dense, candidate_ids;  // Fu, Iu, F, I
  int64_t utilities, groups, flags;                              // U, K, Q
  int64_t width, attention_width, embedding_width;               // D, H, W
  int64_t context_window;
  int64_t context;  // C
  int64_t maps, knots;
  int64_t user_units, candidate_units;  // Tu, T
  int64_t user_rows, candidate_rows;    // of the tables
  int64_t user_lists, candidate_lists;  // that candidates attend to
  int64_t control, control_hidden;
  int64_t sections[kSections];  // offsets in bytes

  GERANK_HOST_DEVICE int64_t dense_width() const { return candidate_dense + 2 * context; }
  GERANK_HOST_DEVICE int64_t own_width() const {
    return dense_width() + candidate_units * embedding_width;
  }
  GERANK_HOST_DEVICE int64_t candidate_width() const {
    return own_width() + user_lists * embedding_width;
  }  // X
  GERANK_HOST_DEVICE int64_t query_width() const {
    return (candidate_lists + user_lists) * embedding_width;
  }
  GERANK_HOST_DEVICE int64_t user_width() const {  // Xu
    return user_dense + user_units * embedding_width + (control == kInput ? utilities : 0);
  }
  GERANK_HOST_DEVICE int64_t attention_size() const {
    return (flags + 2 * groups + 3) * attention_width;
  }
  GERANK_HOST_DEVICE bool has_head() const {
    return control == kHypernetwork || control == kLinear;
  }
};

struct IdColumn {
  int64_t first;   // row of the table where its values begin
  int64_t rows;    // that its values share
  int64_t hashed;  // 0 or 1
};

struct IdUnit {
  int64_t first;    // of its columns among the units' columns
  int64_t columns;  // how many
  int64_t pool;     // Pool
  int64_t empty;    // the id that is no entry, where it is a list
};

}  // namespace gerank::page
