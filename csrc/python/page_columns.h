// The pages of a table over Python's own memory: each column holds the values of all pages, one
// page after the other.
#pragma once

#include <gerank/query.h>
#include <gerank/ranker.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gerank {

// Queries of consecutive pages. Valid for as long as the PageColumns that made them.
struct PageQueries {
  std::vector<std::unique_ptr<std::byte[]>> joined;  // numbers of single columns, side by side
  std::vector<FeatureBlock> blocks;
  std::vector<Query> queries;
};

// Keeps alive what it points at: buffers of arrays, UTF-8 of strings, queries. Made and freed with
// the GIL held; read without it.
class PageColumns {
 public:
  // Letters: P pages, C candidates of all pages. Raises ValueError where a column has another
  // length than the others give it.
  //
  //   candidate_offsets    [P + 1] int64: where the candidates of each page begin, from 0 to C
  //   user_features        [(names, type, buffer of [P, F])], type one of f4, f8, i8
  //   candidate_features   [(names, type, buffer of [C, F])]
  //   candidate_ids        (buffer of [C + 1] int64 offsets, buffer of UTF-8)
  //   dedup_keys           None, or (buffer of [C] int64, buffer of [C] bool)
  //   rules                empty, or [P] Query objects, whose candidates and features are not read
  PageColumns(const pybind11::buffer& candidate_offsets, const pybind11::iterable& user_features,
              const pybind11::iterable& candidate_features, const pybind11::tuple& candidate_ids,
              const pybind11::object& dedup_keys, const pybind11::list& rules);
  PageColumns(const PageColumns&) = delete;
  PageColumns& operator=(const PageColumns&) = delete;

  std::size_t size() const { return offsets_.size() - 1; }

  // The queries of pages `first` to `last` - 1, which must be pages of this.
  PageQueries queries(std::size_t first, std::size_t last) const;

 private:
  struct FeatureColumns {
    std::vector<std::string> names;
    std::vector<std::string_view> views;
    FeatureBlock block;  // of all rows; without numbers where `singles` has them
    std::size_t row_bytes = 0;
    std::vector<const void*> singles;  // the numbers of each column
  };

  std::span<const std::byte> bytes_of(const char* name, pybind11::handle given, std::size_t size);
  std::vector<FeatureColumns> read_features(const char* name, const pybind11::iterable& given,
                                            std::size_t rows);
  static void join(ColumnType type, std::vector<FeatureColumns>* columns);
  void read_ids(const pybind11::tuple& given);
  void read_dedup_keys(const pybind11::object& given);
  void read_rules(const pybind11::list& given);
  static std::vector<const std::byte*> numbers_of(const std::vector<FeatureColumns>& columns,
                                                  std::size_t row, std::size_t rows,
                                                  PageQueries* read);
  static void add_blocks(const std::vector<FeatureColumns>& columns, std::size_t rows,
                         std::vector<const std::byte*>* numbers, std::vector<FeatureBlock>* blocks);

  std::vector<pybind11::buffer_info> buffers_;
  std::vector<pybind11::object> kept_;
  std::span<const std::int64_t> offsets_;
  std::vector<FeatureColumns> user_, candidates_;
  std::vector<std::string_view> ids_;
  const std::int64_t* keys_ = nullptr;
  const bool* key_present_ = nullptr;
  std::vector<const Query*> rules_;
};

// Answers pages `first` to `last` - 1 in one forward pass, without the GIL, as arrays: the number
// of filled slots of each page [P] int32; the slot, the candidate's index int32, log_prob float32
// and relaxed rules uint8 of all filled slots in turn; the seed of each page [P] uint64; and a
// list of (page, (rule, name, wanted, got, slots)) of the rules that are unmet, pages from 0.
//
// Raises ValueError where there are no such pages, else as Ranker::rank.
pybind11::tuple rank_pages(const Ranker& ranker, const PageColumns& pages, std::size_t first,
                           std::size_t last);

}  // namespace gerank
