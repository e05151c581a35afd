#include "page_columns.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "call_content.h"
#include "column_type.h"
#include "python_query.h"
#include "status_error.h"

namespace py = pybind11;

namespace gerank {
namespace {

template <typename T>
std::span<const T> numbers(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

// Offsets that begin at 0, do not descend, and end at `most` or before.
void check_offsets(const char* name, std::span<const std::int64_t> offsets, std::size_t most) {
  const bool good = !offsets.empty() && offsets.front() == 0 &&
                    std::is_sorted(offsets.begin(), offsets.end()) &&
                    static_cast<std::size_t>(offsets.back()) <= most;
  if (good) return;
  throw py::value_error(std::string(name) + ": offsets must ascend from 0 to at most " +
                        std::to_string(most));
}

// Puts rows of columns side by side, a tile of them at a time so that what is written stays in the
// cache.
template <typename T>
void interleave(const std::vector<const void*>& columns, std::size_t row, std::size_t rows,
                std::byte* to) {
  constexpr std::size_t kTile = 64;
  auto* out = reinterpret_cast<T*>(to);
  for (std::size_t first = 0; first < rows; first += kTile) {
    const std::size_t last = std::min(first + kTile, rows);
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const T* column = static_cast<const T*>(columns[c]) + row;
      for (std::size_t i = first; i < last; ++i) out[i * columns.size() + c] = column[i];
    }
  }
}

template <typename T>
struct Appended {
  explicit Appended(std::size_t size) : values(static_cast<py::ssize_t>(size)) {}

  template <typename Range>
  void add(const Range& range) {
    next = std::copy(range.begin(), range.end(), next);
  }

  py::array_t<T> values;
  T* next = values.mutable_data();
};

py::tuple slate_arrays(const std::vector<Slate>& slates) {
  std::size_t filled = 0;
  for (const Slate& slate : slates) filled += slate.slots.size();
  py::array_t<std::int32_t> counts(static_cast<py::ssize_t>(slates.size()));
  py::array_t<std::uint64_t> seeds(static_cast<py::ssize_t>(slates.size()));
  Appended<std::int32_t> slots(filled), candidates(filled);
  Appended<float> log_prob(filled);
  Appended<std::uint8_t> relaxed(filled);
  py::list unmet;
  for (std::size_t page = 0; page < slates.size(); ++page) {
    const Slate& slate = slates[page];
    counts.mutable_data()[page] = static_cast<std::int32_t>(slate.slots.size());
    seeds.mutable_data()[page] = slate.seed;
    slots.add(slate.slots);
    candidates.add(slate.candidates);
    log_prob.add(slate.log_prob);
    relaxed.add(slate.relaxed);
    for (const Unmet& rule : slate.unmet) unmet.append(py::make_tuple(page, unmet_tuple(rule)));
  }
  return py::make_tuple(counts, slots.values, candidates.values, log_prob.values, relaxed.values,
                        seeds, unmet);
}

}  // namespace

PageColumns::PageColumns(const py::buffer& candidate_offsets, const py::iterable& user_features,
                         const py::iterable& candidate_features, const py::tuple& candidate_ids,
                         const py::object& dedup_keys, const py::list& rules) {
  const auto pages = static_cast<std::size_t>(std::max<py::ssize_t>(py::len(candidate_offsets), 1));
  offsets_ = numbers<std::int64_t>(bytes_of("candidate_offsets", candidate_offsets, 8 * pages));
  check_offsets("candidate_offsets", offsets_, static_cast<std::size_t>(offsets_.back()));
  user_ = read_features("user_features", user_features, size());
  candidates_ = read_features("candidate_features", candidate_features,
                              static_cast<std::size_t>(offsets_.back()));
  read_ids(candidate_ids);
  read_dedup_keys(dedup_keys);
  read_rules(rules);
}

// The memory of a buffer of so many bytes.
std::span<const std::byte> PageColumns::bytes_of(const char* name, py::handle given,
                                                 std::size_t size) {
  buffers_.push_back(py::reinterpret_borrow<py::buffer>(given).request());
  const py::buffer_info& info = buffers_.back();
  if (PyBuffer_IsContiguous(info.view(), 'C') == 0) {
    throw py::value_error(std::string(name) + ": the numbers must lie in one piece");
  }
  const auto bytes = static_cast<std::size_t>(info.size * info.itemsize);
  if (bytes != size) {
    throw py::value_error(std::string(name) + ": must be " + std::to_string(size) + " bytes, got " +
                          std::to_string(bytes));
  }
  return {static_cast<const std::byte*>(info.ptr), bytes};
}

std::vector<PageColumns::FeatureColumns> PageColumns::read_features(const char* name,
                                                                    const py::iterable& given,
                                                                    std::size_t rows) {
  std::vector<FeatureColumns> read;
  for (const py::handle entry : given) {
    auto [names, type, values] =
        entry.cast<std::tuple<std::vector<std::string>, std::string, py::object>>();
    FeatureColumns& columns = read.emplace_back();
    columns.names = std::move(names);
    columns.block.type = column_type(type);
    columns.block.names_id = new_names_id();
    columns.row_bytes = columns.names.size() * (columns.block.type == ColumnType::kFloat32 ? 4 : 8);
    columns.block.values = bytes_of(name, values, rows * columns.row_bytes).data();
  }
  for (const ColumnType type : {ColumnType::kFloat32, ColumnType::kFloat64, ColumnType::kInt64}) {
    join(type, &read);
  }
  for (FeatureColumns& columns : read) {  // which does not move any more
    columns.views.assign(columns.names.begin(), columns.names.end());
    columns.block.names = columns.views;
  }
  return read;
}

// Makes one block of all single columns of a type: the engine copies a row of it at once, and from
// columns number by number.
void PageColumns::join(ColumnType type, std::vector<FeatureColumns>* columns) {
  FeatureColumns all;
  const auto is_single = [type](const FeatureColumns& each) {
    return each.block.type == type && each.names.size() == 1;
  };
  for (const FeatureColumns& each : *columns) {
    if (!is_single(each)) continue;
    all.names.push_back(each.names[0]);
    all.row_bytes += each.row_bytes;
    all.singles.push_back(each.block.values);
  }
  if (all.singles.size() < 2) return;
  all.block.type = type;
  all.block.names_id = new_names_id();
  std::erase_if(*columns, is_single);
  columns->push_back(std::move(all));
}

void PageColumns::read_ids(const py::tuple& given) {
  const auto [ends, text] = given.cast<std::tuple<py::object, py::object>>();
  const auto candidates = static_cast<std::size_t>(offsets_.back());
  const auto offsets = numbers<std::int64_t>(bytes_of("candidate_ids", ends, 8 * (candidates + 1)));
  const auto size = static_cast<std::size_t>(py::len(text));
  const auto bytes = numbers<char>(bytes_of("candidate_ids", text, size));
  check_offsets("candidate_ids", offsets, size);
  ids_.reserve(candidates);
  for (std::size_t i = 0; i < candidates; ++i) {
    const auto length = static_cast<std::size_t>(offsets[i + 1] - offsets[i]);
    ids_.emplace_back(bytes.data() + offsets[i], length);
  }
}

void PageColumns::read_dedup_keys(const py::object& given) {
  if (given.is_none()) return;
  const auto [values, present] = given.cast<std::tuple<py::object, py::object>>();
  const auto candidates = static_cast<std::size_t>(offsets_.back());
  keys_ = numbers<std::int64_t>(bytes_of("dedup_keys", values, 8 * candidates)).data();
  key_present_ = numbers<bool>(bytes_of("dedup_keys", present, candidates)).data();
}

void PageColumns::read_rules(const py::list& given) {
  if (given.empty()) return;
  if (given.size() != size()) {
    throw py::value_error("rules: must be " + std::to_string(size()) + " queries, got " +
                          std::to_string(given.size()));
  }
  for (const py::handle rules : given) {
    rules_.push_back(&rules.cast<const PythonQuery&>().query());
    kept_.push_back(py::reinterpret_borrow<py::object>(rules));
  }
}

// Where the numbers of some rows begin in each block. Single columns are put side by side here, for
// the pages of one call: then the engine finds them in the cache.
std::vector<const std::byte*> PageColumns::numbers_of(const std::vector<FeatureColumns>& columns,
                                                      std::size_t row, std::size_t rows,
                                                      PageQueries* read) {
  std::vector<const std::byte*> begins;
  for (const FeatureColumns& each : columns) {
    if (each.singles.empty()) {
      begins.push_back(static_cast<const std::byte*>(each.block.values) + row * each.row_bytes);
      continue;
    }
    const auto& joined = read->joined.emplace_back(
        std::make_unique_for_overwrite<std::byte[]>(rows * each.row_bytes));
    if (each.block.type == ColumnType::kFloat32) {
      interleave<std::uint32_t>(each.singles, row, rows, joined.get());
    } else {
      interleave<std::uint64_t>(each.singles, row, rows, joined.get());
    }
    begins.push_back(joined.get());
  }
  return begins;
}

// Adds blocks of the next rows, and moves on to those behind them.
void PageColumns::add_blocks(const std::vector<FeatureColumns>& columns, std::size_t rows,
                             std::vector<const std::byte*>* numbers,
                             std::vector<FeatureBlock>* blocks) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    FeatureBlock& block = blocks->emplace_back(columns[i].block);
    block.values = (*numbers)[i];
    block.bytes = rows * columns[i].row_bytes;
    (*numbers)[i] += block.bytes;
  }
}

PageQueries PageColumns::queries(std::size_t first, std::size_t last) const {
  PageQueries read;
  const std::size_t per_page = user_.size() + candidates_.size();
  read.blocks.reserve((last - first) * per_page);
  const auto start = static_cast<std::size_t>(offsets_[first]);
  auto users = numbers_of(user_, first, last - first, &read);
  auto candidates =
      numbers_of(candidates_, start, static_cast<std::size_t>(offsets_[last]) - start, &read);
  for (std::size_t page = first; page < last; ++page) {
    const auto begin = static_cast<std::size_t>(offsets_[page]);
    const auto count = static_cast<std::size_t>(offsets_[page + 1]) - begin;
    const std::size_t place = read.blocks.size();
    add_blocks(user_, 1, &users, &read.blocks);
    add_blocks(candidates_, count, &candidates, &read.blocks);
    const auto own = std::span<const FeatureBlock>(read.blocks).subspan(place);
    Query& query = read.queries.emplace_back(rules_.empty() ? Query{} : *rules_[page]);
    query.candidate_count = static_cast<std::int64_t>(count);
    query.user_features = own.first(user_.size());
    query.candidate_features = own.subspan(user_.size());
    query.candidate_ids = std::span(ids_).subspan(begin, count);
    if (keys_ != nullptr) {
      query.dedup_keys = DedupKeys{keys_ + begin, 8 * count, {key_present_ + begin, count}};
    }
  }
  return read;
}

py::tuple rank_pages(const Ranker& ranker, const PageColumns& pages, std::size_t first,
                     std::size_t last) {
  if (first > last || last > pages.size()) {
    throw py::value_error("pages: there are " + std::to_string(pages.size()) + ", not " +
                          std::to_string(first) + " to " + std::to_string(last));
  }
  std::vector<Slate> slates(last - first);
  Status status;
  {
    const py::gil_scoped_release no_gil;
    const PageQueries read = pages.queries(first, last);
    status = ranker.rank(read.queries, slates);
  }
  raise_unless_ok(status);
  return slate_arrays(slates);
}

}  // namespace gerank
