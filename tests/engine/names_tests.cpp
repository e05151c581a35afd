// Names that have an id are looked up once; nothing else about a query may change by it.

#include <array>

#include "stand_in.h"

using gerank::FeatureBlock;

namespace {

gerank::Contract contract(const std::string& candidate_features) {
  gerank::Contract read;
  EXPECT_OK(gerank::Contract::parse(
      R"({"features": {"user": [], "candidate": [)" + candidate_features +
          R"(]}, "groups": [], "flags": [], "limits": {"candidates": 8, "slots": 4}, "weights": {}})",
      &read));
  return read;
}

constexpr const char* kPrice = R"({"name": "price", "kind": "dense"})";
constexpr const char* kColour =
    R"({"name": "colour", "kind": "id", "vocabulary": 4, "hashed": false})";

// Two candidates with a price and a colour each.
struct Priced {
  explicit Priced(std::array<std::uint64_t, 2> ids) {
    blocks[0].names_id = ids[0];
    blocks[1].names_id = ids[1];
    query.candidate_count = 2;
    query.candidate_features = blocks;
  }
  Priced(const Priced&) = delete;

  std::array<float, 2> prices{1, 2};
  std::array<std::int64_t, 2> colours{0, 3};
  std::vector<std::string_view> price{"price"}, colour{"colour"};
  std::array<FeatureBlock, 2> blocks{
      FeatureBlock{price, gerank::ColumnType::kFloat32, prices.data(), sizeof prices},
      FeatureBlock{colour, gerank::ColumnType::kInt64, colours.data(), sizeof colours}};
  gerank::Query query;
};

}  // namespace

TEST(names_that_are_known_are_refused_for_what_they_hold) {
  const auto both = contract(std::string(kPrice) + "," + kColour);
  Priced page({gerank::new_names_id(), gerank::new_names_id()});
  EXPECT_OK(both.check(page.query));
  EXPECT_OK(both.check(page.query));
  page.blocks[0].bytes = sizeof(float);
  EXPECT_EQUAL(both.check(page.query).field(), "candidate_features[0] (price)");
  page.blocks[0].bytes = sizeof page.prices;
  page.colours[1] = 4;
  EXPECT_EQUAL(both.check(page.query).field(), "candidates[1].colour");
  page.colours[1] = 3;
  EXPECT_OK(both.check(page.query));
}

TEST(names_that_one_contract_knows_are_looked_up_for_another) {
  const auto both = contract(std::string(kPrice) + "," + kColour);
  const auto reversed = contract(std::string(kColour) + "," + kPrice);
  const auto one = contract(kPrice);
  Priced page({gerank::new_names_id(), gerank::new_names_id()});
  page.colours[1] = 4;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQUAL(both.check(page.query).field(), "candidates[1].colour");
    EXPECT_EQUAL(reversed.check(page.query).field(), "candidates[1].colour");
    EXPECT_EQUAL(one.check(page.query).field(), "candidates.colour");
  }
}

TEST(an_id_whose_names_became_more_or_fewer_is_looked_up) {
  const auto both = contract(std::string(kPrice) + "," + kColour);
  Priced page({gerank::new_names_id(), gerank::new_names_id()});
  EXPECT_OK(both.check(page.query));
  std::vector<std::string_view> twice{"colour", "price"};
  page.blocks[1].names = twice;
  page.blocks[1].bytes = 0;
  EXPECT_EQUAL(both.check(page.query).field(), "candidate_features[1] (colour, price)");
  std::array<std::int64_t, 4> numbers{0, 1, 3, 2};
  page.blocks[1].values = numbers.data();
  page.blocks[1].bytes = sizeof numbers;
  EXPECT_EQUAL(both.check(page.query).field(), "candidate_features[1].names");
}

TEST(blocks_of_which_one_has_no_id_are_looked_up) {
  const auto both = contract(std::string(kPrice) + "," + kColour);
  Priced known({gerank::new_names_id(), gerank::new_names_id()});
  EXPECT_OK(both.check(known.query));
  Priced other({known.blocks[0].names_id, 0});
  other.colour[0] = "shape";
  EXPECT_EQUAL(both.check(other.query).field(), "candidates.shape");
  std::swap(known.blocks[0], known.blocks[1]);
  EXPECT_OK(both.check(known.query));
  known.colours[0] = -1;
  EXPECT_EQUAL(both.check(known.query).field(), "candidates[0].colour");
}
