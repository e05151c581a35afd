// What an artifact answers before it answers anybody: batches of every size class.
#pragma once

#include <gerank/contract.h>
#include <gerank/query.h>

#include <cstddef>
#include <vector>

namespace gerank {

// 1, 2, 4, ... and `max_batch` itself.
std::vector<std::size_t> warm_up_sizes(std::size_t max_batch);

// A query that a contract accepts: all features 0. Not copyable, since its query points into it.
class WarmUpQuery {
 public:
  explicit WarmUpQuery(const Contract& contract);
  WarmUpQuery(const WarmUpQuery&) = delete;
  WarmUpQuery& operator=(const WarmUpQuery&) = delete;

  const Query& query() const { return query_; }

 private:
  struct Side {
    std::vector<std::string_view> dense, ids;
    std::vector<float> floats;
    std::vector<std::int64_t> integers;
    std::vector<FeatureBlock> blocks;
  };

  static void fill(const std::vector<Feature>& features, std::size_t rows, Side* side);

  Side user_, candidates_;
  Query query_;
};

}  // namespace gerank
