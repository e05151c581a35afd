// A Query over Python's own memory.
#pragma once

#include <gerank/query.h>
#include <pybind11/pybind11.h>

#include <optional>
#include <string_view>
#include <vector>

namespace gerank {

// Keeps alive what its query() points at: buffers of arrays and bytes, UTF-8 of strings. Made and
// freed with the GIL held; read without it.
class PythonQuery {
 public:
  // Raises StatusError if an argument has another type than it should: values are checked later.
  //
  //   user_features, candidate_features   [(names, type, buffer)], type one of f4, f8, i8
  //   candidate_ids                       [str], maybe empty
  //   preset, slots, seed, greedy, temperature   None where the query does not say
  //   pins                                [(slot, candidate)]
  //   dedup_keys                          None, or (buffer of int64, buffer of bool or None)
  //   above                               None, or (count, features, dedup_keys)
  //   spacing                             [(group, window, cap)]
  //   quotas                              [(flag, min, max or None)]
  //   weights                             {utility: value}
  PythonQuery(const pybind11::int_& candidate_count, const pybind11::iterable& user_features,
              const pybind11::iterable& candidate_features, const pybind11::iterable& candidate_ids,
              const pybind11::object& preset, const pybind11::object& slots,
              const pybind11::iterable& pins, const pybind11::object& dedup_keys,
              const pybind11::object& above, const pybind11::iterable& spacing,
              const pybind11::iterable& quotas, const pybind11::dict& weights,
              const pybind11::object& seed, const pybind11::object& greedy,
              const pybind11::object& temperature);
  PythonQuery(const PythonQuery&) = delete;
  PythonQuery& operator=(const PythonQuery&) = delete;

  const Query& query() const { return query_; }

 private:
  struct Features {
    std::vector<std::vector<std::string_view>> names;
    std::vector<FeatureBlock> blocks;
  };

  std::string_view text(const char* field, pybind11::handle value);
  const pybind11::buffer_info& buffer(pybind11::handle value);
  void read_features(const pybind11::iterable& given, Features* features);
  void read_ids(const pybind11::iterable& ids);
  void read_dedup_keys(const pybind11::object& given, std::optional<DedupKeys>* keys);
  void read_above(const pybind11::object& above);
  void read_rules(const pybind11::iterable& pins, const pybind11::iterable& spacing,
                  const pybind11::iterable& quotas, const pybind11::dict& weights);

  std::vector<pybind11::object> kept_;
  std::vector<pybind11::buffer_info> buffers_;
  Features user_, candidates_, above_;
  std::vector<std::string_view> ids_;
  std::vector<Pin> pins_;
  std::vector<Spacing> spacing_;
  std::vector<Quota> quotas_;
  std::vector<Weight> weights_;
  Query query_;
};

}  // namespace gerank
