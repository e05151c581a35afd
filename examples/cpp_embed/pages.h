// Pages of a mock recommendation engine: what its retrieval stage would hand to re-ranking.
#pragma once

#include <gerank/contract.h>
#include <gerank/query.h>

#include <cstdint>
#include <deque>
#include <istream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// One user and the candidates found for them, as columns in the order of the artifact's schema. The
// query points into it, hence no copies.
class Page {
 public:
  // Reads a page as write_pages.py writes it. Throws std::runtime_error where the text ends early.
  Page(std::istream& in, const gerank::Contract& contract);
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;

  const gerank::Query& query() const { return query_; }

 private:
  struct Side {
    std::vector<std::string_view> dense_names, id_names;
    std::vector<float> dense;       // [rows, F]
    std::vector<std::int64_t> ids;  // [rows, I]
    std::vector<gerank::FeatureBlock> blocks;
  };

  struct Keys {
    std::vector<std::int64_t> values;
    std::unique_ptr<bool[]> are_there;
  };

  void read_side(std::istream& in, const std::vector<gerank::Feature>& features, std::size_t rows,
                 Side* side);
  std::string_view next_name(std::istream& in);
  static gerank::DedupKeys read_keys(std::istream& in, std::size_t count, Keys* keys);
  void read_above(std::istream& in);
  void read_rules(std::istream& in);

  std::deque<std::string> names_;  // never moved
  Side user_, candidates_;
  Keys keys_, keys_above_;
  std::vector<std::string_view> names_above_;
  std::vector<std::int64_t> ids_above_;  // [A, F]
  std::vector<gerank::FeatureBlock> blocks_above_;
  std::vector<gerank::Pin> pins_;
  std::vector<gerank::Spacing> spacing_;
  std::vector<gerank::Quota> quotas_;
  std::vector<gerank::Weight> weights_;
  gerank::Query query_;
};

std::vector<std::unique_ptr<Page>> read_pages(std::istream& in, const gerank::Contract& contract);
